//! Planted faults, to show that the freshness oracle can fail.
//!
//! Without the feature `sabotage`, which only tests turn on, `Cache::planted` is the constant `false`
//! and every fault below is compiled away.

/// One way to break the promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Takes a trace whose inputs had another number of rows.
    IgnoreRows,
    /// Takes a trace whose inputs had other columns or types.
    IgnoreSchema,
    /// Observes one column less than the plan reads.
    DropColumn,
    /// Believes a file that has the size and the modification time that it had.
    TrustMtime,
    /// Does not look at the inputs again after the computation.
    SkipAfterLook,
    /// Leaves the parameters out of the key.
    IgnoreParams,
    /// Leaves the query out of the key.
    IgnoreSql,
    /// Leaves the reader's options out of a source's id.
    IgnoreReader,
    /// Leaves the order of the files out of a source's id.
    IgnoreOrder,
    /// Serves a partition's result to another partition.
    MixPartitions,
    /// Believes that a sink's target is still what was written.
    TrustTarget,
    /// Judges a check by what it found before.
    StickyChecks,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::IgnoreRows,
        Self::IgnoreSchema,
        Self::DropColumn,
        Self::TrustMtime,
        Self::SkipAfterLook,
        Self::IgnoreParams,
        Self::IgnoreSql,
        Self::IgnoreReader,
        Self::IgnoreOrder,
        Self::MixPartitions,
        Self::TrustTarget,
        Self::StickyChecks,
    ];
}
