//! Opening files: gzip and zstd are taken off, and byte order marks with them.
//!
//! A file's first bytes tell its compression, not its name: no text, Parquet or Arrow file begins like a compressed
//! one, and a `.csv.gz` that a browser has unpacked reads as what it is. (But a `.gz` that ends before it could tell has
//! been cut off.) Gzip files of several members and zstd files
//! of several frames are read to their end.

use crate::SourceError;
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom},
    path::Path,
};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The last three bytes of a zstd frame to be skipped, which parallel compressors put first.
const ZSTD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

const READ_BYTES: usize = 256 * 1024;

/// A file's bytes as its format knows them.
pub(crate) type Input = Box<dyn Read + Send>;

/// Opens a text file: unpacked, and without a UTF-8 byte order mark.
pub(crate) fn open_text(path: &Path) -> Result<Input, SourceError> {
    let mut input = match opened(path)? {
        Opened::Packed(input) => input,
        Opened::Plain(input) => Box::new(input),
    };
    let mut head = Vec::with_capacity(3);
    input.by_ref().take(3).read_to_end(&mut head).map_err(SourceError::io(path))?;
    match head.as_slice() {
        [0xef, 0xbb, 0xbf] => Ok(input),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Err(SourceError::damaged(path, "UTF-8 text", "it is in UTF-16; convert it to UTF-8"))
        }
        _ => Ok(Box::new(Cursor::new(head).chain(input))),
    }
}

/// Opens a file whose reader jumps about in it: a packed one is unpacked into a temporary file that has no name.
pub(crate) fn open_seekable(path: &Path) -> Result<File, SourceError> {
    let mut file = match opened(path)? {
        Opened::Plain(input) => input.into_inner(),
        Opened::Packed(mut input) => {
            let mut file = tempfile::tempfile().map_err(SourceError::io(path))?;
            io::copy(&mut input, &mut file).map_err(SourceError::io(path))?;
            file
        }
    };
    file.seek(SeekFrom::Start(0)).map_err(SourceError::io(path))?;
    Ok(file)
}

enum Opened {
    Plain(BufReader<File>),
    Packed(Input),
}

fn opened(path: &Path) -> Result<Opened, SourceError> {
    // Opening a FIFO would wait for its writer.
    if !fs::metadata(path).map_err(SourceError::io(path))?.is_file() {
        return Err(SourceError::NotAFile { path: path.to_owned(), what: "no regular file" });
    }
    let file = File::open(path).map_err(SourceError::io(path))?;
    let mut input = BufReader::with_capacity(READ_BYTES, file);
    let head = input.fill_buf().map_err(SourceError::io(path))?;
    if head.starts_with(&GZIP) {
        return Ok(Opened::Packed(Box::new(flate2::bufread::MultiGzDecoder::new(input))));
    }
    // A file that ends within the mark of its packing would else be taken for a short text.
    let name = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    if (name == "gz" && GZIP.starts_with(head)) || (name == "zst" && ZSTD.starts_with(head) && head.len() < ZSTD.len())
    {
        return Err(SourceError::io(path)(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is cut off")));
    }
    let skippable = matches!(head, [0x50..=0x5f, rest @ ..] if rest.starts_with(&ZSTD_SKIPPABLE));
    if head.starts_with(&ZSTD) || skippable {
        let decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(SourceError::io(path))?;
        return Ok(Opened::Packed(Box::new(decoder)));
    }
    Ok(Opened::Plain(input))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn text(bytes: &[u8]) -> Result<String, SourceError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, bytes).unwrap();
        let mut text = String::new();
        open_text(&path)?.read_to_string(&mut text).map_err(SourceError::io(&path))?;
        let mut same = String::new();
        open_seekable(&path)?.read_to_string(&mut same).unwrap();
        assert_eq!(same.trim_start_matches('\u{feff}'), text);
        Ok(text)
    }

    #[test]
    fn every_member_and_every_frame_is_read() {
        assert_eq!(text(&[gzip(b"a,b\n"), gzip(b"1,2\n")].concat()).unwrap(), "a,b\n1,2\n");
        let frame = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9][..], &frame(b"a"), &frame(b"b")].concat();
        assert_eq!(text(&skipped).unwrap(), "ab");
        assert_eq!(text(b"").unwrap(), "");
        assert_eq!(text(b"a").unwrap(), "a");
    }

    #[test]
    fn a_byte_order_mark_is_taken_off_within_the_packing_too() {
        assert_eq!(text("\u{feff}a,b".as_bytes()).unwrap(), "a,b");
        assert_eq!(text(&gzip("\u{feff}a,b".as_bytes())).unwrap(), "a,b");
        assert!(text(b"\xff\xfea\0").unwrap_err().to_string().contains("UTF-16"));
    }

    #[test]
    fn a_file_that_ends_within_the_mark_of_its_packing_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        for (name, whole) in [("f.csv.gz", gzip(b"a")), ("f.csv.ZST", zstd::encode_all(&b"a"[..], 1).unwrap())] {
            let path = folder.path().join(name);
            for length in 0..8 {
                fs::write(&path, &whole[..length]).unwrap();
                let mut text = Vec::new();
                let read =
                    open_text(&path).and_then(|mut input| input.read_to_end(&mut text).map_err(SourceError::io(&path)));
                assert!(read.is_err(), "{length} bytes of {name}");
            }
            fs::write(&path, "a,b").unwrap();
            assert!(open_text(&path).is_ok(), "a file that was unpacked and kept its name");
        }
    }

    #[test]
    fn a_truncated_packing_is_an_error() {
        for packed in [gzip(b"some text that goes on"), zstd::encode_all(&b"some text that goes on"[..], 1).unwrap()] {
            let error = text(&packed[..packed.len() - 6]).unwrap_err();
            assert!(matches!(error, SourceError::Io { .. }), "{error}");
        }
    }
}
