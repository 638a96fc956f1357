//! Why a result was not served, or where it came from.

use crate::observation::Observation;
use std::{fmt, time::Duration};

/// Why a result that was kept is not served, or why there is none.
///
/// ```
/// use everfresh::{Memo, memo::{Explanation, Reason}};
///
/// let squares: Memo<u64> = Memo::builder("Reason").build();
/// assert_eq!(squares.explain(&12), Explanation::Miss { reason: Reason::New });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing was kept for these arguments.
    New,
    /// The content of a file that was read is another one.
    FileChanged {
        /// The file.
        path: String,
    },
    /// A file that was read is not there any more.
    FileGone {
        /// The file.
        path: String,
    },
    /// A file that was looked for in vain is there now.
    FileAppeared {
        /// The file.
        path: String,
    },
    /// The names in a folder are others.
    DirChanged {
        /// The folder.
        path: String,
    },
    /// What `stat` says of a path, or whether there is something, is something else.
    MetadataChanged {
        /// The path.
        path: String,
    },
    /// An input cannot be looked at.
    Unreadable {
        /// The input.
        path: String,
        /// What the operating system says.
        error: String,
    },
    /// An environment variable has another value, or none, or one.
    EnvChanged {
        /// The variable.
        name: String,
    },
    /// A relative path was read, and the working folder is another one.
    WorkingDirChanged {
        /// The working folder in which the result was computed.
        before: String,
    },
    /// A declared value is another one.
    ValueChanged {
        /// Its name.
        name: String,
    },
    /// The code of a function may be another one: the program was built anew, or the function has another version.
    CodeChanged {
        /// The function.
        function: String,
    },
    /// Something that was observed by its version has another one, or is not there any more.
    VersionChanged {
        /// What it is.
        name: String,
    },
    /// Somebody invalidated it, or something that it used.
    Invalidated {
        /// What was invalidated.
        name: String,
    },
    /// Its time is over.
    Expired {
        /// For how long.
        ago: Duration,
    },
    /// The result was evicted, or is damaged.
    ResultGone,
    /// The type of the result has another shape than when it was stored.
    ShapeChanged,
    /// A table of a pipeline, which only the pipeline can look at.
    Foreign {
        /// Its name.
        name: String,
    },
    /// The arguments have no fingerprint, so nothing is kept for them.
    NoKey {
        /// Why.
        error: String,
    },
}

impl Reason {
    /// What it means that an observation does not hold, where nothing more is known.
    pub(crate) fn changed(observation: &Observation) -> Self {
        match observation {
            Observation::File { path, .. } => Self::FileChanged { path: path.clone() },
            Observation::Dir { path, .. } => Self::DirChanged { path: path.clone() },
            Observation::Metadata { path, .. } | Observation::Exists { path, .. } | Observation::Kind { path, .. } => {
                Self::MetadataChanged { path: path.clone() }
            }
            Observation::Env { name, .. } => Self::EnvChanged { name: name.clone() },
            Observation::WorkingDir { path } => Self::WorkingDirChanged { before: path.clone() },
            Observation::Value { name, .. } => Self::ValueChanged { name: name.clone() },
            Observation::Function { name, .. } => Self::CodeChanged { function: name.clone() },
            Observation::Generation { name, .. } => Self::Invalidated { name: name.clone() },
            Observation::Version { name, .. } => Self::VersionChanged { name: name.clone() },
            Observation::Table(table) => Self::Foreign { name: table.name.clone() },
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => write!(f, "nothing is kept for these arguments"),
            Self::FileChanged { path } => write!(f, "the file `{path}` changed"),
            Self::FileGone { path } => write!(f, "the file `{path}` is gone"),
            Self::FileAppeared { path } => write!(f, "the file `{path}` appeared"),
            Self::DirChanged { path } => write!(f, "the folder `{path}` has other entries"),
            Self::MetadataChanged { path } => write!(f, "what is at `{path}` changed"),
            Self::Unreadable { path, error } => write!(f, "`{path}` cannot be looked at: {error}"),
            Self::EnvChanged { name } if name.is_empty() => write!(f, "there are other environment variables"),
            Self::EnvChanged { name } => write!(f, "the environment variable `{name}` changed"),
            Self::WorkingDirChanged { before } => {
                write!(f, "a relative path was read, and the working folder is `{before}` no more")
            }
            Self::ValueChanged { name } => write!(f, "the value `{name}` changed"),
            Self::CodeChanged { function } => write!(f, "the code of `{function}` may have changed"),
            Self::VersionChanged { name } => write!(f, "{name} changed"),
            Self::Invalidated { name } => write!(f, "{name} was invalidated"),
            Self::Expired { ago } => write!(f, "its time was over {ago:?} ago"),
            Self::ResultGone => write!(f, "the result was evicted or is damaged"),
            Self::ShapeChanged => write!(f, "the type of the result has another shape now"),
            Self::Foreign { name } => write!(f, "`{name}` belongs to a pipeline"),
            Self::NoKey { error } => write!(f, "nothing can be kept for these arguments: {error}"),
        }
    }
}

/// Where a result was found.
///
/// ```
/// use everfresh::{Memo, memo::{Explanation, Tier}};
///
/// let squares = Memo::builder("Tier").build();
/// assert_eq!(squares.get_or_compute(&12, || 144), 144);
/// assert!(matches!(squares.explain(&12), Explanation::Hit { tier: Tier::Memory, .. }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// In the memory of this process.
    Memory,
    /// In the store that the processes of this machine share.
    Disk,
}

/// What a call would do now, and why.
///
/// ```
/// use everfresh::{Memo, memo::Explanation};
///
/// let squares = Memo::builder("Explanation").build();
/// assert!(matches!(squares.explain(&12), Explanation::Miss { .. }));
/// assert_eq!(squares.get_or_compute(&12, || 144), 144);
/// assert!(matches!(squares.explain(&12), Explanation::Hit { .. }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// It would serve a result that was kept.
    Hit {
        /// Where it is.
        tier: Tier,
        /// How long it took to compute.
        cost: Duration,
        /// What was read when it was computed, one line each.
        observed: Vec<String>,
        /// For how long its time has been over, if it is served stale.
        stale: Option<Duration>,
    },
    /// It would compute.
    Miss {
        /// Why the result that came nearest is not served.
        reason: Reason,
    },
}

impl Explanation {
    /// Whether a result would be served.
    ///
    /// ```
    /// use everfresh::Memo;
    ///
    /// let squares = Memo::builder("Explanation::is_hit").build();
    /// assert!(!squares.explain(&12).is_hit());
    /// assert_eq!(squares.get_or_compute(&12, || 144), 144);
    /// assert!(squares.explain(&12).is_hit());
    /// ```
    pub fn is_hit(&self) -> bool {
        matches!(self, Self::Hit { .. })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hit { tier, cost, observed, stale } => {
                let tier = if *tier == Tier::Memory { "memory" } else { "the store" };
                write!(f, "hit in {tier}, which saves {cost:?}: all of this is as it was")?;
                if let Some(ago) = stale {
                    write!(f, ", but its time was over {ago:?} ago, so it is computed anew too")?;
                }
                observed.iter().try_for_each(|line| write!(f, "\n  {line}"))
            }
            Self::Miss { reason } => write!(f, "miss: {reason}"),
        }
    }
}
