//! Whether an LMDB file can be used without crashing: a walk over all its pages, before LMDB maps it.
//!
//! LMDB trusts its file: a page number that points nowhere ends the process. This reads the newest snapshot the way
//! LMDB would, with every bound checked, and finds out
//! - that the meta page is one of ours, that every page of both trees (records, free pages) lies in the file, says its
//!   own number and is used once;
//! - that nodes lie inside their pages and fill them, that keys are in order, that depths and counts are right;
//! - that free pages are not in use.
//!
//! Values are not looked at: each carries a checksum that is checked when it is read.
//!
//! The layout is that of LMDB's data version 1 on a 64-bit machine (`mdb.c`: `MDB_page`, `MDB_node`, `MDB_meta`,
//! `MDB_db`), in the machine's byte order. On a 32-bit machine every file is found unsound, and the index is rebuilt
//! after a process that did not close it.

use std::{collections::HashSet, fs::File, io, os::unix::fs::FileExt as _, path::Path};

const MAGIC: u32 = 0xBEEF_C0DE;
const DATA_VERSION: u32 = 1;
const PAGE_HEADER: usize = 16;
const NODE_HEADER: usize = 8;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const OVERFLOW: u16 = 4;
const BIG_DATA: u16 = 1;
const INTEGER_KEY: u16 = 8;
const NO_PAGE: u64 = u64::MAX;
const MAX_DEPTH: u16 = 32;

/// Why a file is not sound.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unsound(String);

impl From<io::Error> for Unsound {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

fn unsound<T>(why: impl Into<String>) -> Result<T, Unsound> {
    Err(Unsound(why.into()))
}

/// Checks the file. No process has it open for writing.
pub(super) fn check(path: &Path) -> Result<(), Unsound> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let page_size = page_size(&file)?;
    let meta = newest_meta(&file, page_size)?;
    let mut walk = Walk {
        file,
        page_size,
        file_pages: size / page_size as u64,
        last_page: meta.last_page,
        seen: HashSet::from([0, 1]),
    };
    if meta.main.flags != 0 || meta.free.flags != INTEGER_KEY {
        return unsound("the trees have unknown flags");
    }
    walk.tree(&meta.main, KeyOrder::Bytes, &mut |_, _| Ok(()))?;
    let mut free = Vec::new();
    walk.tree(&meta.free, KeyOrder::Integer, &mut |key, list| {
        let txn = key.try_into().map_or(u64::MAX, u64::from_ne_bytes);
        if txn > meta.txn {
            return unsound("free pages of a transaction that never was");
        }
        free.extend(free_pages(list)?);
        Ok(())
    })?;
    let free_count = free.len() as u64;
    for page in free {
        if page > walk.last_page || !walk.seen.insert(page) {
            return unsound(format!("free page {page} is in use"));
        }
    }
    // The file may end before the last page only where the final pages are free.
    if walk.last_page.saturating_add(1).saturating_sub(walk.file_pages) > free_count {
        return unsound("the file is too short");
    }
    Ok(())
}

struct Tree {
    flags: u16,
    depth: u16,
    entries: u64,
    root: u64,
}

struct Meta {
    free: Tree,
    main: Tree,
    last_page: u64,
    txn: u64,
}

/// The file's own; LMDB takes it from there, too.
fn page_size(file: &File) -> Result<usize, Unsound> {
    let mut page = [0; PAGE_HEADER + 28];
    file.read_exact_at(&mut page, 0)?;
    let size = Bytes(&page).u32(PAGE_HEADER + 24)? as usize;
    if size.is_power_of_two() && (512..=1 << 16).contains(&size) {
        Ok(size)
    } else {
        unsound("an impossible page size")
    }
}

fn newest_meta(file: &File, page_size: usize) -> Result<Meta, Unsound> {
    let mut newest: Option<Meta> = None;
    for number in 0..2u64 {
        let mut page = vec![0; PAGE_HEADER + 136];
        file.read_exact_at(&mut page, number * page_size as u64)?;
        let page = Bytes(&page);
        let at = PAGE_HEADER;
        if page.u32(at)? != MAGIC || page.u32(at + 4)? != DATA_VERSION || page.u32(at + 24)? as usize != page_size {
            return unsound("the meta page is not one of LMDB on this machine");
        }
        let tree = |at| -> Result<Tree, Unsound> {
            Ok(Tree {
                flags: page.u16(at + 4)?,
                depth: page.u16(at + 6)?,
                entries: page.u64(at + 32)?,
                root: page.u64(at + 40)?,
            })
        };
        let meta = Meta {
            free: tree(at + 24)?,
            main: tree(at + 72)?,
            last_page: page.u64(at + 120)?,
            txn: page.u64(at + 128)?,
        };
        // LMDB takes the second page only if it is newer, and finds a transaction's page by its parity.
        if newest.as_ref().is_none_or(|other| meta.txn > other.txn) {
            if meta.txn % 2 != number {
                return unsound("the meta pages are in the wrong order");
            }
            newest = Some(meta);
        }
    }
    newest.map_or_else(|| unsound("there is no meta page"), Ok)
}

/// The page numbers in a value of the tree of free pages: their count, then they, the highest first.
fn free_pages(list: &[u8]) -> Result<Vec<u64>, Unsound> {
    let (words, rest) = list.as_chunks::<8>();
    let Some((count, pages)) = words.split_first() else { return unsound("an empty list of free pages") };
    let count = u64::from_ne_bytes(*count);
    if !rest.is_empty() || count > pages.len() as u64 {
        return unsound("a list of free pages of the wrong length");
    }
    let pages: Vec<u64> = pages.iter().take(count as usize).map(|page| u64::from_ne_bytes(*page)).collect();
    if !pages.is_sorted_by(|a, b| a > b) {
        return unsound("a list of free pages out of order");
    }
    Ok(pages)
}

#[derive(Copy, Clone)]
enum KeyOrder {
    Bytes,
    Integer,
}

/// The key that all further keys of a tree must come after.
struct Floor {
    key: Vec<u8>,
    /// A key equal to it may still come: it is a separator.
    equal_allowed: bool,
}

struct Walk {
    file: File,
    page_size: usize,
    file_pages: u64,
    last_page: u64,
    seen: HashSet<u64>,
}

type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), Unsound>;

impl Walk {
    fn tree(&mut self, tree: &Tree, order: KeyOrder, visit: Visit<'_>) -> Result<(), Unsound> {
        if tree.root == NO_PAGE {
            return if tree.entries == 0 && tree.depth == 0 { Ok(()) } else { unsound("a tree without a root") };
        }
        if tree.depth == 0 || tree.depth > MAX_DEPTH {
            return unsound("a tree of impossible depth");
        }
        let mut floor = Floor { key: Vec::new(), equal_allowed: true };
        let entries = self.subtree(tree.root, tree.depth, order, &mut floor, visit)?;
        if entries == tree.entries { Ok(()) } else { unsound("a tree with a wrong count") }
    }

    /// Recursion is bounded by [`MAX_DEPTH`].
    fn subtree(
        &mut self,
        number: u64,
        depth: u16,
        order: KeyOrder,
        floor: &mut Floor,
        visit: Visit<'_>,
    ) -> Result<u64, Unsound> {
        let page = self.page(number)?;
        let page = Bytes(&page);
        let expected = if depth == 1 { LEAF } else { BRANCH };
        let (flags, lower, upper) = (page.u16(10)?, page.u16(12)? as usize, page.u16(14)? as usize);
        let nodes = lower.saturating_sub(PAGE_HEADER) / 2;
        let fewest = if depth == 1 { 1 } else { 2 };
        if flags != expected || !lower.is_multiple_of(2) || lower > upper || upper > self.page_size || nodes < fewest {
            return unsound(format!("page {number} has a wrong header"));
        }
        let (mut filled, mut entries) = (0, 0);
        for index in 0..nodes {
            let at = page.u16(PAGE_HEADER + 2 * index)? as usize;
            let (low, high, node_flags) = (page.u16(at)?, page.u16(at + 2)?, page.u16(at + 4)?);
            let key = page.slice(at + NODE_HEADER, page.u16(at + 6)? as usize)?;
            let data = at + NODE_HEADER + key.len();
            if at < upper || !at.is_multiple_of(2) {
                return unsound(format!("page {number} has a node outside of its bounds"));
            }
            if depth > 1 {
                filled += even(NODE_HEADER + key.len());
                if index > 0 {
                    floor.raise(key, order, true)?;
                }
                let child = u64::from(low) | u64::from(high) << 16 | u64::from(node_flags) << 32;
                entries += self.subtree(child, depth - 1, order, floor, visit)?;
                continue;
            }
            floor.raise(key, order, false)?;
            entries += 1;
            let length = usize::from(low) | usize::from(high) << 16;
            match node_flags {
                0 => {
                    filled += even(NODE_HEADER + key.len() + length);
                    visit(key, page.slice(data, length)?)?;
                }
                BIG_DATA => {
                    filled += even(NODE_HEADER + key.len() + 8);
                    visit(key, &self.overflow(page.u64(data)?, length)?)?;
                }
                _ => return unsound(format!("page {number} has a node with unknown flags")),
            }
        }
        if filled != self.page_size - upper {
            return unsound(format!("page {number} is not filled by its nodes"));
        }
        Ok(entries)
    }

    fn take(&mut self, number: u64) -> Result<(), Unsound> {
        if number > self.last_page || number >= self.file_pages || !self.seen.insert(number) {
            return unsound(format!("page {number} is outside of the file or used twice"));
        }
        Ok(())
    }

    fn page(&mut self, number: u64) -> Result<Vec<u8>, Unsound> {
        self.take(number)?;
        let mut page = vec![0; self.page_size];
        self.file.read_exact_at(&mut page, number * self.page_size as u64)?;
        if Bytes(&page).u64(0)? != number {
            return unsound(format!("page {number} says it is another"));
        }
        Ok(page)
    }

    fn overflow(&mut self, first: u64, length: usize) -> Result<Vec<u8>, Unsound> {
        let head = self.page(first)?;
        let head = Bytes(&head);
        let pages = u64::from(head.u32(12)?);
        let needed = ((PAGE_HEADER - 1 + length) / self.page_size + 1) as u64;
        if head.u16(10)? != OVERFLOW || pages < needed {
            return unsound(format!("page {first} has a wrong overflow header"));
        }
        for page in 1..pages {
            self.take(first.saturating_add(page))?;
        }
        let mut value = vec![0; length];
        self.file.read_exact_at(&mut value, first * self.page_size as u64 + PAGE_HEADER as u64)?;
        Ok(value)
    }
}

impl Floor {
    fn raise(&mut self, key: &[u8], order: KeyOrder, separator: bool) -> Result<(), Unsound> {
        let key = match order {
            KeyOrder::Bytes => key.to_vec(),
            KeyOrder::Integer => match key.try_into() {
                Ok(bytes) => u64::from_ne_bytes(bytes).to_be_bytes().to_vec(),
                Err(_) => return unsound("a transaction's number of the wrong length"),
            },
        };
        if key < self.key || key == self.key && (separator || !self.equal_allowed) {
            return unsound("keys out of order");
        }
        *self = Self { key, equal_allowed: separator };
        Ok(())
    }
}

/// Node sizes are rounded up to even.
fn even(size: usize) -> usize {
    size + size % 2
}

/// Numbers in a page, all bounds checked.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn slice(&self, at: usize, length: usize) -> Result<&'a [u8], Unsound> {
        let end = at.checked_add(length);
        end.and_then(|end| self.0.get(at..end)).map_or_else(|| unsound("something points outside of its page"), Ok)
    }

    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Unsound> {
        self.slice(at, N)?.try_into().or_else(|_| unsound("something points outside of its page"))
    }

    fn u16(&self, at: usize) -> Result<u16, Unsound> {
        self.array(at).map(u16::from_ne_bytes)
    }

    fn u32(&self, at: usize) -> Result<u32, Unsound> {
        self.array(at).map(u32::from_ne_bytes)
    }

    fn u64(&self, at: usize) -> Result<u64, Unsound> {
        self.array(at).map(u64::from_ne_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::{
        Fingerprint,
        disk::{Space, Store, StoreOptions},
    };
    use std::fs;

    /// Numbers that look random and are the same in every run.
    fn numbers(mut state: u64) -> impl FnMut(u64) -> u64 {
        move |bound| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        }
    }

    #[test]
    fn whatever_lmdb_writes_is_sound_with_or_without_being_closed() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("index/data.mdb");
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        let mut next = numbers(7);
        for round in 0..60 {
            let records: Vec<_> = (0..next(200) + 1)
                .map(|_| {
                    let key = Fingerprint::of_bytes(&next(3_000).to_le_bytes());
                    // Small ones, ones that nearly fill a page, and ones of many pages.
                    let length = [10, 300, 1_900, 2_100, 5_000, 60_000][next(6) as usize];
                    (Space::Memos, key, vec![round as u8; next(length) as usize], vec![])
                })
                .collect();
            store.put_all(&records).unwrap();
            for _ in 0..next(150) {
                store.delete(Space::Memos, &Fingerprint::of_bytes(&next(3_000).to_le_bytes())).unwrap();
            }
            check(&data).unwrap();
        }
        drop(store);
        check(&data).unwrap();
    }

    #[test]
    fn a_new_index_is_sound() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path(), StoreOptions::default()).unwrap());
        check(&folder.path().join("index/data.mdb")).unwrap();
    }

    #[test]
    fn what_is_no_index_is_not_sound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        for content in [vec![], b"not a database".to_vec(), vec![0; 8192], vec![255; 8192]] {
            fs::write(&path, content).unwrap();
            check(&path).unwrap_err();
        }
    }

    #[test]
    fn an_index_that_lost_a_page_is_not_sound() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        for n in 0..500u32 {
            store.put(Space::Memos, &Fingerprint::of_bytes(&n.to_le_bytes()), &[1; 500], &[]).unwrap();
        }
        drop(store);
        let data = folder.path().join("index/data.mdb");
        let whole = fs::read(&data).unwrap();
        check(&data).unwrap();
        fs::write(&data, &whole[..whole.len() / 2]).unwrap();
        check(&data).unwrap_err();
        // Page 1 is the other meta page; some page of the tree is gone whichever snapshot is the newest.
        fs::write(&data, [&whole[..8192], &vec![0; whole.len() - 8192]].concat()).unwrap();
        check(&data).unwrap_err();
    }
}
