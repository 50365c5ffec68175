//! Datagrams in fragments: of any size, in any order, overlapping, twice, or not all of them.

use fastrand::Rng;

use super::{Datagram, Envelope, percent};
use crate::{
    hunt::shot::{Excuse, Feature, Features},
    packet::numbers::TCP,
};

/// Bytes `from..to` of the datagram, or of its rival.
#[derive(Clone, Copy, Debug)]
struct Piece {
    from: usize,
    to: usize,
    rival: bool,
}

pub(super) fn cut(
    random: &mut Rng,
    envelope: &Envelope,
    datagram: &Datagram,
    features: &mut Features,
    excuse: &mut Option<Excuse>,
) -> Vec<Vec<u8>> {
    let length = datagram.bytes.len();
    let mut pieces = cuts(random, length)
        .windows(2)
        .map(|ends| Piece {
            from: ends[0],
            to: ends[1],
            rival: false,
        })
        .collect::<Vec<_>>();
    if percent(random, 12) {
        features.insert(Feature::Overlapping);
        let again = pieces[random.usize(..pieces.len())];
        let grown = Piece {
            to: (again.to + 8 * random.usize(..3)).min(length),
            ..again
        };
        pieces.insert(random.usize(..=pieces.len()), grown);
    }
    let rival = percent(random, 12).then(|| datagram.rival(random, &envelope.addresses));
    if let Some(rival) = &rival {
        features.insert(Feature::Overlapping);
        *excuse = Some(excuse.unwrap_or(Excuse::Mixed));
        let to = pieces[0].to.min(rival.bytes.len());
        let first = Piece {
            from: 0,
            to,
            rival: true,
        };
        pieces.insert(random.usize(..=pieces.len()), first);
    }
    if percent(random, 35) {
        features.insert(Feature::Disordered);
        random.shuffle(&mut pieces);
    }
    if percent(random, 6) {
        pieces.remove(random.usize(..pieces.len()));
    }
    let first_ends = pieces
        .iter()
        .filter(|piece| piece.from == 0)
        .map(|piece| piece.to);
    let cut_off = first_ends
        .min()
        .is_some_and(|end| end < datagram.decisive().min(length));
    let has_chain = envelope.addresses.source.is_ipv6() || datagram.transport_protocol == TCP;
    if (has_chain && cut_off) || envelope.is_long_with(1 + datagram.extensions, datagram.transport)
    {
        *excuse = Some(Excuse::Undecidable);
    }

    let identification = random.u32(..);
    let options_everywhere = random.bool();
    pieces
        .into_iter()
        .map(|piece| {
            let (datagram, length) = match &rival {
                Some(rival) if piece.rival => (rival, rival.bytes.len()),
                _ => (datagram, length),
            };
            let more = piece.to < length;
            let offset = (piece.from / 8) as u16;
            let envelope = match piece.from {
                0 => envelope.clone(),
                _ if options_everywhere => envelope.clone(),
                _ => envelope.plain(),
            };
            let headers = envelope.headers().fragment_of(identification, offset, more);
            let mut bytes = datagram.bytes[piece.from..piece.to].to_vec();
            if more && percent(random, 10) {
                features.insert(Feature::Trimmed);
                bytes.extend((0..random.usize(1..8)).map(|_| random.u8(..)));
            }
            let frame = headers.protocol(datagram.protocol).payload(&bytes);
            envelope.finish(random, frame, bytes.len(), features)
        })
        .collect()
}

/// Where to cut, from zero to the end, at multiples of eight but for the end.
fn cuts(random: &mut Rng, length: usize) -> Vec<usize> {
    let most = (length - 1) / 8;
    let mut cuts = vec![0, length];
    for _ in 0..random.usize(1..=7) {
        // Often the smallest first fragment that there can be.
        let at = if percent(random, 25) {
            1
        } else {
            random.usize(1..=most)
        };
        cuts.push(8 * at);
    }
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}
