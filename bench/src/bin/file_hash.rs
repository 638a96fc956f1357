//! `bench-file-hash FILE` hashes a file as `b3sum` does, mapped and on all cores, and prints seconds and bytes.

use std::{env, error::Error, fs, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args_os().nth(1).ok_or("usage: bench-file-hash FILE")?;
    let start = Instant::now();
    let mut hasher = blake3::Hasher::new();
    hasher.update_mmap_rayon(&file)?;
    let hash = hasher.finalize();
    let seconds = start.elapsed().as_secs_f64();
    println!(r#"{{"seconds": {seconds}, "bytes": {}, "hash": "{hash}"}}"#, fs::metadata(&file)?.len());
    Ok(())
}
