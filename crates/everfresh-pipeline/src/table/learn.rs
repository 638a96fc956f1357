//! Fingerprints made in passing: columns of a source's file that have none yet are hashed while a query reads them, so
//! that nothing is decoded twice.

use crate::engine::{Batches, BoxError};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use everfresh::{Fingerprint, table::TableHasher};
use std::sync::{Arc, Mutex, PoisonError};

/// What the scans of one input learned so far. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Learned(Arc<Mutex<Vec<PartColumns>>>);

/// The fingerprints of some columns of one part.
#[derive(Clone, Debug)]
pub(super) struct PartColumns {
    pub part: usize,
    pub columns: Vec<(usize, Fingerprint)>,
}

impl Learned {
    /// What was learned, once.
    pub(super) fn take(&self) -> Vec<PartColumns> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, columns: PartColumns) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(columns);
    }
}

/// What can be learned from the rows of one part.
#[derive(Clone, Debug)]
pub(super) struct Lesson {
    /// Its place in the table.
    pub part: usize,
    /// The columns without a fingerprint.
    pub lacking: Vec<usize>,
    /// Where to tell.
    pub learned: Learned,
}

impl Lesson {
    /// The batches of the part, which hold the columns of `projection`, and are hashed as they come by.
    pub fn listen(&self, schema: &SchemaRef, projection: &[usize], batches: Batches) -> Batches {
        let heard: Vec<(usize, usize)> = projection
            .iter()
            .enumerate()
            .filter(|(_, column)| self.lacking.contains(column))
            .map(|(place, column)| (place, *column))
            .collect();
        let (places, columns): (Vec<usize>, Vec<usize>) = heard.into_iter().unzip();
        match TableHasher::new(schema, &columns) {
            Ok(hasher) if !columns.is_empty() => Box::new(Listening {
                batches,
                places,
                columns,
                hasher: Some(hasher.in_passing()),
                lesson: self.clone(),
            }),
            _ => batches,
        }
    }
}

struct Listening {
    batches: Batches,
    places: Vec<usize>,
    columns: Vec<usize>,
    /// There as long as every row came by.
    hasher: Option<TableHasher>,
    lesson: Lesson,
}

impl Listening {
    fn hear(&mut self, batch: &RecordBatch) {
        let heard = |hasher: &mut TableHasher| hasher.update(&batch.project(&self.places).ok()?).ok();
        if self.hasher.as_mut().and_then(heard).is_none() {
            self.hasher = None;
        }
    }
}

impl Iterator for Listening {
    type Item = Result<RecordBatch, BoxError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.batches.next();
        match &next {
            Some(Ok(batch)) => self.hear(batch),
            Some(Err(_)) => self.hasher = None,
            None => {
                if let Some(hasher) = self.hasher.take() {
                    let columns = self.columns.iter().copied().zip(hasher.finish().columns).collect();
                    self.lesson.learned.add(PartColumns { part: self.lesson.part, columns });
                }
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int32Array;

    fn batch(values: [[i32; 2]; 2]) -> RecordBatch {
        let column = |values: [i32; 2]| Arc::new(Int32Array::from(values.to_vec())) as _;
        RecordBatch::try_from_iter([("a", column(values[0])), ("b", column(values[1]))]).unwrap()
    }

    fn lesson(lacking: &[usize]) -> Lesson {
        Lesson { part: 3, lacking: lacking.to_vec(), learned: Learned::default() }
    }

    #[test]
    fn what_is_learned_is_the_fingerprint_of_the_column() {
        let rows = [batch([[1, 2], [5, 6]]), batch([[3, 4], [7, 8]])];
        let schema = rows[0].schema();
        let lesson = lesson(&[0]);
        // The query reads both columns, the other one first.
        let swapped: Vec<_> = rows.iter().map(|batch| Ok(batch.project(&[1, 0]).unwrap())).collect();
        assert_eq!(lesson.listen(&schema, &[1, 0], Box::new(swapped.into_iter())).count(), 2);
        let mut hasher = TableHasher::new(&schema, &[0]).unwrap();
        rows.iter().for_each(|batch| hasher.update(&batch.project(&[0]).unwrap()).unwrap());
        let learned = lesson.learned.take();
        assert_eq!((learned.len(), learned[0].part), (1, 3));
        assert_eq!(learned[0].columns, [(0, hasher.finish().columns[0])]);
    }

    #[test]
    fn who_stops_early_or_meets_an_error_learns_nothing() {
        let rows = batch([[1, 2], [5, 6]]);
        let (schema, lesson) = (rows.schema(), lesson(&[0, 1]));
        let both = |last: Result<RecordBatch, BoxError>| Box::new([Ok(rows.clone()), last].into_iter()) as Batches;
        lesson.listen(&schema, &[0, 1], both(Ok(rows.clone()))).next();
        lesson.listen(&schema, &[0, 1], both(Err("broken".into()))).for_each(drop);
        assert!(lesson.learned.take().is_empty());
    }
}
