//! What happens to a world between two runs.

use crate::{
    chance::Chance,
    world::{Reader, Row, World},
};

/// Kinds of edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    ChangeValue,
    ChangeUnreadColumn,
    AddRow,
    RemoveRow,
    AddFile,
    RemoveFile,
    RenameFile,
    SameSizeSameMtime,
    Touch,
    ChangeSql,
    CosmeticSql,
    ChangeParam,
    ChangeEnv,
    ChangeReaderOption,
    ChangeReader,
    ChangeCacheVersion,
    AddColumn,
    ChangeDatabase,
    ChangeUrl,
    DeleteOutput,
    EditOutput,
    DeleteBlobs,
    DeleteIndex,
    ChangeWhileRunning,
    Revert,
    Nothing,
}

impl Kind {
    pub const ALL: [Self; 26] = [
        Self::ChangeValue,
        Self::ChangeUnreadColumn,
        Self::AddRow,
        Self::RemoveRow,
        Self::AddFile,
        Self::RemoveFile,
        Self::RenameFile,
        Self::SameSizeSameMtime,
        Self::Touch,
        Self::ChangeSql,
        Self::CosmeticSql,
        Self::ChangeParam,
        Self::ChangeEnv,
        Self::ChangeReaderOption,
        Self::ChangeReader,
        Self::ChangeCacheVersion,
        Self::AddColumn,
        Self::ChangeDatabase,
        Self::ChangeUrl,
        Self::DeleteOutput,
        Self::EditOutput,
        Self::DeleteBlobs,
        Self::DeleteIndex,
        Self::ChangeWhileRunning,
        Self::Revert,
        Self::Nothing,
    ];
}

/// Changes what a kind changes in the world itself; edits of the cache and of outputs are made on the disk instead.
/// Gives the kind that it really was: an edit that finds nothing to edit is `Nothing`.
pub fn apply(kind: Kind, world: &mut World, past: &[World], chance: &mut Chance) -> Kind {
    let stems: Vec<String> = world.files.keys().cloned().collect();
    let stem = chance.pick(&stems).clone();
    let rows = world.files.get_mut(&stem).unwrap();
    let row = chance.below(rows.len() as u64) as usize;
    match kind {
        Kind::ChangeValue | Kind::ChangeWhileRunning if !rows.is_empty() => rows[row] = Row::any(chance),
        Kind::SameSizeSameMtime if !rows.is_empty() && world.reader.keeps_size() => {
            // Quarters from 10.00 to 18.75 have five characters each.
            rows[row].val = if rows[row].val == 40 { 41 } else { rows[row].val - 1 };
        }
        Kind::ChangeUnreadColumn if !rows.is_empty() => rows[row].extra = (rows[row].extra + 1) % 9,
        Kind::AddRow => rows.push(Row::any(chance)),
        Kind::RemoveRow if rows.len() > 1 => {
            rows.remove(row);
        }
        Kind::AddFile => {
            let added = (0..1 + chance.below(3)).map(|_| Row::any(chance)).collect();
            world.files.insert(format!("part-{}", chance.below(12)), added);
        }
        Kind::RemoveFile if stems.len() > 1 => {
            world.files.remove(&stem);
        }
        Kind::RenameFile => {
            let rows = world.files.remove(&stem).unwrap();
            world.files.insert(format!("part-{}", chance.below(12) + 12), rows);
        }
        Kind::ChangeSql => world.constant = (world.constant + 1 + chance.below(40) as i64) % 80,
        Kind::CosmeticSql => world.cosmetic += 1,
        Kind::ChangeParam => world.min = (world.min + 1) % 9,
        Kind::ChangeEnv => world.tag = if world.tag == "red" { "green".into() } else { "red".into() },
        Kind::ChangeReaderOption if world.reader.is_delimited() => world.na_is_null = !world.na_is_null,
        Kind::ChangeReader => world.reader = *chance.pick(&Reader::ALL),
        Kind::ChangeCacheVersion => world.version = 1 + chance.below(3),
        Kind::AddColumn => world.wide = !world.wide,
        Kind::ChangeDatabase => {
            let row = chance.below(world.lookup.len() as u64) as usize;
            world.lookup[row].2 = (world.lookup[row].2 + 1) % 7;
        }
        Kind::ChangeUrl => {
            let row = chance.below(world.rates.len() as u64) as usize;
            world.rates[row].1 = (world.rates[row].1 + 1) % 9;
        }
        Kind::Revert if !past.is_empty() => *world = chance.pick(past).clone(),
        Kind::Touch | Kind::DeleteOutput | Kind::EditOutput | Kind::DeleteBlobs | Kind::DeleteIndex => {}
        _ => return Kind::Nothing,
    }
    kind
}
