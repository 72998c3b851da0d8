//! Hadoop's own variable-length integers (`WritableUtils.writeVLong`), as in token files and token texts.

/// A text that ends too early, or says a length that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short;

/// Reads one integer off the front of `input`.
pub(crate) fn take_vlong(input: &mut &[u8]) -> Result<i64, Short> {
    let (&first, rest) = input.split_first().ok_or(Short)?;
    *input = rest;
    let first = first.cast_signed();
    if first >= -112 {
        return Ok(i64::from(first));
    }
    let (count, negative) =
        if first >= -120 { (-112 - i32::from(first), false) } else { (-120 - i32::from(first), true) };
    let bytes = take(input, usize::try_from(count).map_err(|_| Short)?)?;
    let value = bytes.iter().fold(0_i64, |value, byte| (value << 8) | i64::from(*byte));
    Ok(if negative { !value } else { value })
}

/// Reads a length and that many bytes. Lengths are checked against what is there before anything is taken.
pub(crate) fn take_bytes<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], Short> {
    let length = usize::try_from(take_vlong(input)?).map_err(|_| Short)?;
    take(input, length)
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8], Short> {
    let (head, rest) = input.split_at_checked(length).ok_or(Short)?;
    *input = rest;
    Ok(head)
}

/// Appends one integer.
pub(crate) fn put_vlong(out: &mut Vec<u8>, value: i64) {
    if (-112..=127).contains(&value) {
        out.extend(i8::try_from(value).unwrap_or_default().to_be_bytes());
        return;
    }
    let (magnitude, base) = if value < 0 { (!value, -120_i8) } else { (value, -112_i8) };
    let bytes = magnitude.to_be_bytes();
    let start = usize::try_from(magnitude.leading_zeros() / 8).unwrap_or_default().min(7);
    let significant = bytes.get(start..).unwrap_or_default();
    let count = i8::try_from(significant.len()).unwrap_or(8);
    out.extend((base - count).to_be_bytes());
    out.extend_from_slice(significant);
}

/// Appends a length and the bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_vlong(out, i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_stand_as_java_writes_them() {
        let cases: [(i64, &[u8]); 6] = [
            (0, &[0]),
            (-112, &[0x90]),
            (128, &[0x8f, 0x80]),
            (300, &[0x8e, 0x01, 0x2c]),
            (-113, &[0x87, 0x70]),
            (i64::MIN, &[0x80, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ];
        for (value, bytes) in cases {
            let mut out = Vec::new();
            put_vlong(&mut out, value);
            assert_eq!(out, bytes, "{value}");
        }
    }

    proptest! {
        #[test]
        fn integers_read_back(value in any::<i64>()) {
            let mut out = Vec::new();
            put_vlong(&mut out, value);
            let mut input = out.as_slice();
            prop_assert_eq!(take_vlong(&mut input), Ok(value));
            prop_assert!(input.is_empty());
        }
    }
}
