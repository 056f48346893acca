//! Files of optical flow in Middlebury's format `.flo`.
//!
//! Little-endian: the number 202021.25 in single precision, width and height as 32-bit integers, then a pair (u, v) in single
//! precision for each pixel, row by row (Baker et al., "A Database and Evaluation Methodology for Optical Flow", 2011).

use super::flow_field::FlowField;
use crate::error::Error;
use crate::report::file;
use std::path::Path;

/// The first four bytes, which spell PIEH.
const MAGIC: f32 = 202_021.25;
const HEADER: usize = 12;
/// Bytes of a displacement.
const VECTOR: usize = 8;
/// A displacement with a part beyond this is unknown, as Middlebury's own programs have it.
const UNKNOWN: f32 = 1e9;
/// What is written for an unknown displacement.
const WRITTEN_UNKNOWN: f32 = 1e10;
/// The most pixels of a side, as in Middlebury's own programs.
const MOST: i32 = 99_999;

/// Reads a file; displacements that it marks as unknown, or that are no numbers, are none.
pub(crate) fn read(path: &Path) -> Result<FlowField, Error> {
    let bytes = std::fs::read(path).map_err(|error| Error::Read {
        path: path.to_path_buf(),
        reason: error.to_string(),
        advice: "name a .flo file".into(),
    })?;
    decode(&bytes).map_err(|reason| Error::Data { path: path.to_path_buf(), reason })
}

/// Writes a file, whole or not at all.
pub(crate) fn write(path: &Path, field: &FlowField) -> Result<(), Error> {
    file::write_whole(path, &encode(field)).map_err(|error| Error::write(path, error))
}

fn decode(bytes: &[u8]) -> Result<FlowField, String> {
    let word = |at: usize| bytes.get(at..at + 4).and_then(|part| <[u8; 4]>::try_from(part).ok());
    let (Some(magic), Some(width), Some(height)) = (word(0), word(4), word(8)) else {
        return Err(format!("found {} bytes, expected a .flo file, whose header has {HEADER}", bytes.len()));
    };
    if f32::from_be_bytes(magic) == MAGIC {
        return Err(
            "found a .flo file in big-endian order, expected little-endian; reverse each group of 4 bytes"
                .into(),
        );
    }
    if f32::from_le_bytes(magic) != MAGIC {
        let text = magic.escape_ascii();
        return Err(format!(
            "found a file that begins with `{text}`, expected a .flo file, which begins with `PIEH`"
        ));
    }
    let (width, height) = (i32::from_le_bytes(width), i32::from_le_bytes(height));
    if !(1..=MOST).contains(&width) || !(1..=MOST).contains(&height) {
        return Err(format!(
            "found a flow of {width} by {height} pixels, expected 1 to {MOST} along each side"
        ));
    }
    let (width, height) = (width as usize, height as usize);
    let expected = HEADER + VECTOR * width * height;
    if bytes.len() != expected {
        let kind =
            if bytes.len() < expected { "a truncated file" } else { "a file that goes on after its end" };
        let found = bytes.len();
        return Err(format!(
            "found {kind} of {found} bytes, expected {expected} for {width} by {height} pixels"
        ));
    }
    let number = |part: &[u8]| f32::from_le_bytes([part[0], part[1], part[2], part[3]]);
    let vector = |pair: &[u8]| {
        let vector = [number(&pair[..4]), number(&pair[4..])];
        vector.iter().all(|part| part.abs() <= UNKNOWN).then_some(vector)
    };
    Ok(FlowField { width, height, vectors: bytes[HEADER..].chunks_exact(VECTOR).map(vector).collect() })
}

fn encode(field: &FlowField) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + VECTOR * field.vectors.len());
    bytes.extend(MAGIC.to_le_bytes());
    bytes.extend((field.width as i32).to_le_bytes());
    bytes.extend((field.height as i32).to_le_bytes());
    let parts = field.vectors.iter().flat_map(|vector| vector.unwrap_or([WRITTEN_UNKNOWN; 2]));
    bytes.extend(parts.flat_map(f32::to_le_bytes));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field() -> FlowField {
        FlowField::from_vectors([5, 3], |x, y| (x != 2).then_some([x as f32 - 0.5, -7.25 * y as f32]))
    }

    #[test]
    fn a_field_survives_its_file_with_what_is_unknown() {
        let path = std::env::temp_dir().join(format!("banach-flow-{}.flo", std::process::id()));
        write(&path, &field()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let found = read(&path);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(found.unwrap(), field());
        assert_eq!((&bytes[..4], bytes.len()), (&b"PIEH"[..], 12 + 15 * 8));
    }

    #[test]
    fn numbers_that_are_none_and_numbers_beyond_the_limit_are_unknown() {
        let mut bytes = encode(&field());
        bytes[12..16].copy_from_slice(&f32::NAN.to_le_bytes());
        bytes[24..28].copy_from_slice(&(-1.1e9_f32).to_le_bytes());
        let found = decode(&bytes).unwrap();
        assert_eq!((found.at(0, 0), found.at(1, 0)), (None, None));
        assert_eq!(found.at(3, 0), field().at(3, 0));
    }

    #[test]
    fn every_broken_file_is_told_in_one_line() {
        let good = encode(&field());
        let mut turned = good.clone();
        turned.chunks_exact_mut(4).for_each(<[u8]>::reverse);
        let with_width = |width: i32| [&good[..4], &width.to_le_bytes(), &good[8..]].concat();
        let longer = [&good[..], &[0; 4]].concat();
        for (bytes, part) in [
            (&turned[..], "found a .flo file in big-endian order"),
            (&good[..good.len() - 1], "a truncated file of 131 bytes, expected 132 for 5 by 3 pixels"),
            (&longer, "goes on after its end of 136 bytes, expected 132"),
            (&good[..7], "found 7 bytes"),
            (b"", "found 0 bytes"),
            (b"P6\n5 3 255\n...", r"begins with `P6\n5`, expected a .flo file"),
            (&with_width(0), "0 by 3 pixels"),
            (&with_width(-4), "-4 by 3 pixels"),
            (&with_width(i32::MAX), "expected 1 to 99999"),
            (&with_width(90_000), "a truncated file"),
        ] {
            let message = decode(bytes).unwrap_err();
            assert!(message.contains(part) && !message.contains('\n'), "{part}: {message}");
        }
    }
}
