//! What the benchmark programs share.

pub mod parquet_file;
pub mod random;
