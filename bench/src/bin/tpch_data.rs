//! `bench-tpch-data FOLDER SCALE` writes the TPC-H tables that the queries read, a Parquet file each.

use everfresh_bench::parquet_file::write;
use parquet::{basic::Compression, file::properties::WriterProperties};
use std::{env, error::Error, path::Path, thread};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, RegionArrow, SupplierArrow,
    arrow::record_batch::RecordBatchReader,
};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [folder, scale] = args.as_slice() else {
        return Err("usage: bench-tpch-data FOLDER SCALE".into());
    };
    let (folder, scale) = (Path::new(folder), scale.parse::<f64>()?);
    thread::scope(|scope| {
        let lineitem =
            scope.spawn(|| table(folder, "lineitem", LineItemArrow::new(LineItemGenerator::new(scale, 1, 1))));
        table(folder, "orders", OrderArrow::new(OrderGenerator::new(scale, 1, 1)))?;
        table(folder, "customer", CustomerArrow::new(CustomerGenerator::new(scale, 1, 1)))?;
        table(folder, "supplier", SupplierArrow::new(SupplierGenerator::new(scale, 1, 1)))?;
        table(folder, "nation", NationArrow::new(NationGenerator::new(scale, 1, 1)))?;
        table(folder, "region", RegionArrow::new(RegionGenerator::new(scale, 1, 1)))?;
        lineitem.join().map_err(|_| "the thread that wrote lineitem panicked".to_owned())?
    })?;
    Ok(())
}

/// An error is told as text, so that it can leave a thread.
fn table(folder: &Path, name: &str, reader: impl RecordBatchReader) -> Result<(), String> {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let file = folder.join(format!("{name}.parquet"));
    write(&file, reader.schema(), reader, properties).map_err(|error| format!("`{}`: {error}", file.display()))
}
