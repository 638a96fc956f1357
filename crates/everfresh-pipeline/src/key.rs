//! Which computation a step or a check is, apart from what it reads.
//!
//! What it reads is observed and stands in its traces. A key is a fingerprint over [`KeyParts`]; the parts of the last
//! computation are kept, so that a miss can say which of them changed.

use crate::engine::ParamValue;
use everfresh::{Fingerprint, FingerprintBuilder};
use serde::{Deserialize, Serialize};

/// The version of this crate's own operators: raised whenever one of them gives other results than before.
pub const OPERATORS: u32 = 1;

/// Everything that decides a result, but for the input tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyParts {
    /// What sort of computation it is.
    pub kind: String,
    /// [`OPERATORS`] when it was computed.
    pub operators: u32,
    /// The query engine and its version.
    pub engine: String,
    /// `cache: { version }` of the pipeline file.
    pub cache_version: u64,
    /// The query's normal form, or the settings of what is not a query.
    pub query: String,
    /// The parameters that the query names, with their values, sorted by name.
    pub params: Vec<(String, ParamValue)>,
    /// The input that is taken partition by partition.
    pub partition_of: Option<String>,
    /// Whether a result that is not a function of its inputs was accepted.
    pub unrepeatable: bool,
    /// What a Python step's function is made of: items by name, sorted.
    pub code: Vec<(String, Fingerprint)>,
}

impl KeyParts {
    /// The key.
    pub fn key(&self) -> Fingerprint {
        let builder = FingerprintBuilder::new("everfresh.key")
            .str(&self.kind)
            .u64(self.operators.into())
            .str(&self.engine)
            .u64(self.cache_version)
            .str(&self.query)
            .list(&self.params, |builder, (name, value)| {
                let builder = builder.str(name);
                match value {
                    ParamValue::Bool(value) => builder.bool(*value),
                    ParamValue::Int(value) => builder.i64(*value),
                    ParamValue::Float(value) => builder.f64(*value),
                    ParamValue::Text(value) => builder.str(value),
                }
            })
            .option(self.partition_of.as_deref(), FingerprintBuilder::str)
            .bool(self.unrepeatable)
            .list(&self.code, |builder, (name, version)| builder.str(name).fingerprint(version));
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> KeyParts {
        KeyParts {
            kind: "step".into(),
            operators: 1,
            engine: "engine 1".into(),
            cache_version: 1,
            query: "SELECT a FROM t".into(),
            params: vec![("year".into(), ParamValue::Int(2013))],
            partition_of: None,
            unrepeatable: false,
            code: Vec::new(),
        }
    }

    #[test]
    fn every_part_changes_the_key() {
        let changed: [fn(&mut KeyParts); 10] = [
            |parts| parts.kind = "check".into(),
            |parts| parts.operators = 2,
            |parts| parts.engine = "engine 2".into(),
            |parts| parts.cache_version = 2,
            |parts| parts.query = "SELECT b FROM t".into(),
            |parts| parts.params = vec![("year".into(), ParamValue::Text("2013".into()))],
            |parts| parts.params = Vec::new(),
            |parts| parts.partition_of = Some("t".into()),
            |parts| parts.unrepeatable = true,
            |parts| parts.code = vec![("the code of `m.f`".into(), Fingerprint::of_bytes(b"code"))],
        ];
        let mut keys = std::collections::BTreeSet::from([parts().key()]);
        for change in changed {
            let mut parts = parts();
            change(&mut parts);
            assert!(keys.insert(parts.key()), "{parts:?} has the key of another computation");
        }
    }
}
