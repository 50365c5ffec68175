//! Lists of registrations and records, read by position (RFC 1833, RFC 4506, RFC 5531 section 11).

/// An entry: program, version, and three strings, or for version 2 the protocol and the port.
#[derive(Debug, PartialEq)]
pub(crate) enum Entry {
    Mapping([u32; 4]),
    Binding([u32; 2], [Vec<u8>; 3]),
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(
        bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte)),
    )
}

/// The entries of a list, of which at most so many are read; `None` if it is none.
pub(crate) fn list(version: u32, bytes: &[u8], max: usize) -> Option<Vec<Entry>> {
    const LONGEST: usize = 1024;
    let mut at = 0;
    let mut entries = Vec::new();
    loop {
        match word(bytes, at)? {
            0 => return Some(entries),
            1 if entries.len() == max => return Some(entries),
            1 => at += 4,
            _ => return None,
        }
        let numbers = [word(bytes, at)?, word(bytes, at + 4)?];
        at += 8;
        if version == 2 {
            let (protocol, port) = (word(bytes, at)?, word(bytes, at + 4)?);
            if port >= 1 << 16 {
                return None;
            }
            at += 8;
            entries.push(Entry::Mapping([numbers[0], numbers[1], protocol, port]));
            continue;
        }
        let mut strings = [const { Vec::new() }; 3];
        for string in &mut strings {
            let len = word(bytes, at)? as usize;
            if len > LONGEST {
                return None;
            }
            let end = at + 4 + len;
            *string = bytes.get(at + 4..end)?.to_vec();
            at = end;
            while !at.is_multiple_of(4) {
                bytes.get(at)?;
                at += 1;
            }
        }
        entries.push(Entry::Binding(numbers, strings));
    }
}

/// The record that bytes begin with, and how many bytes it takes; `None` if there is none, or one that is
/// longer than `max` bytes or has more than 1,024 fragments.
pub(crate) fn record(bytes: &[u8], max: usize) -> Option<(Vec<u8>, usize)> {
    let mut record = Vec::new();
    let mut at = 0;
    for _ in 0..1024 {
        let mark = word(bytes, at)?;
        let len = (mark % (1 << 31)) as usize;
        let fragment = bytes.get(at + 4..at + 4 + len)?;
        record.extend_from_slice(fragment);
        at += 4 + len;
        if record.len() > max {
            return None;
        }
        if mark >= 1 << 31 {
            return Some((record, at));
        }
    }
    None
}
