//! Doubly linked lists of slots, all in one arena: a slot is in at most one list.

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    newer: u32,
    older: u32,
}

/// The neighbours of every slot.
#[derive(Debug, Default)]
pub(super) struct Links {
    links: Vec<Link>,
}

/// The ends of one list.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    newest: u32,
    oldest: u32,
    len: usize,
}

impl Default for List {
    fn default() -> Self {
        Self { newest: NONE, oldest: NONE, len: 0 }
    }
}

impl List {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// All slots, the oldest first.
    pub(super) fn iter(&self, links: &Links) -> impl Iterator<Item = u32> {
        let next = |slot: u32| (slot != NONE).then_some(slot);
        std::iter::successors(self.oldest(), move |slot| next(links.links[*slot as usize].newer))
    }

    /// Puts a slot that is in no list at the new end.
    pub(super) fn push(&mut self, slot: u32, links: &mut Links) {
        let at = slot as usize;
        if links.links.len() <= at {
            // By little and not by as much again: there is one for each entry of a cache.
            if at >= links.links.capacity() {
                links.links.reserve_exact(at - links.links.len() + at / 32 + 8);
            }
            links.links.resize(at + 1, Link { newer: NONE, older: NONE });
        }
        links.links[at] = Link { newer: NONE, older: self.newest };
        match self.newest {
            NONE => self.oldest = slot,
            newest => links.links[newest as usize].newer = slot,
        }
        self.newest = slot;
        self.len += 1;
    }

    /// Takes a slot out, which is in this list.
    pub(super) fn remove(&mut self, slot: u32, links: &mut Links) {
        let Link { newer, older } = links.links[slot as usize];
        match newer {
            NONE => self.newest = older,
            newer => links.links[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => links.links[older as usize].newer = newer,
        }
        self.len -= 1;
    }

    pub(super) fn pop_oldest(&mut self, links: &mut Links) -> Option<u32> {
        let oldest = self.oldest()?;
        self.remove(oldest, links);
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn a_list_is_a_queue_from_whose_middle_slots_can_go(actions in prop::collection::vec((0..3u8, 0..8u32), 0..80)) {
            let (mut links, mut list, mut model) = (Links::default(), List::default(), VecDeque::new());
            for (action, slot) in actions {
                match action {
                    0 if !model.contains(&slot) => {
                        list.push(slot, &mut links);
                        model.push_back(slot);
                    }
                    1 if model.contains(&slot) => {
                        list.remove(slot, &mut links);
                        model.retain(|other| *other != slot);
                    }
                    2 => prop_assert_eq!(list.pop_oldest(&mut links), model.pop_front()),
                    _ => {}
                }
                prop_assert!(list.iter(&links).eq(model.iter().copied()));
                prop_assert_eq!((list.len(), list.oldest()), (model.len(), model.front().copied()));
            }
        }
    }
}
