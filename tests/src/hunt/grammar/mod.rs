//! What frames can be: every header that the parser knows, and many that it does not, in any number
//! and order, in fragments of all kinds, with lengths that lie, and with bytes changed at random.

mod addresses;
mod datagram;
mod envelope;
mod fragments;
mod mutations;

use std::net::SocketAddr;

use fastrand::Rng;
use rpcguard_common::parse::LinkLayer;

use self::{addresses::Addresses, datagram::Datagram, envelope::Envelope};
use super::shot::{Excuse, Feature, Features, Shot};

/// Makes shots, always the same from the same seed.
#[derive(Debug)]
pub struct Grammar {
    random: Rng,
    link: LinkLayer,
    mtu: usize,
}

impl Grammar {
    /// For a link of this kind, on which IP packets have at most `mtu` bytes.
    #[must_use]
    pub fn new(seed: u64, link: LinkLayer, mtu: usize) -> Self {
        Self {
            random: Rng::with_seed(seed),
            link,
            mtu,
        }
    }

    /// The next shot.
    pub fn shot(&mut self) -> Shot {
        loop {
            let shot = self.any_shot();
            if shot.frames.iter().all(|frame| self.fits(frame)) {
                return shot;
            }
        }
    }

    /// Whether a packet socket or a tun device takes the frame.
    fn fits(&self, frame: &[u8]) -> bool {
        match self.link {
            LinkLayer::Ethernet => (14..=self.mtu + 14).contains(&frame.len()),
            // Linux looks at the version at once.
            LinkLayer::None => {
                (20..=self.mtu).contains(&frame.len()) && matches!(frame[0] >> 4, 4 | 6)
            }
        }
    }

    fn any_shot(&mut self) -> Shot {
        let random = &mut self.random;
        let mut features = Features::default();
        let addresses = Addresses::any(random, &mut features);
        let envelope = Envelope::any(random, self.link, &addresses, &mut features);
        let datagram = Datagram::any(random, &addresses, self.mtu, &mut features);
        let mut excuse = envelope.excuse();
        let mut frames = if datagram.can_be_cut() && percent(random, 28) {
            features.insert(Feature::Fragmented);
            fragments::cut(random, &envelope, &datagram, &mut features, &mut excuse)
        } else {
            if envelope.is_long_with(datagram.extensions, datagram.transport) {
                excuse = Some(Excuse::Undecidable);
            }
            vec![envelope.whole(random, &datagram, &mut features)]
        };
        if percent(random, 15) {
            features.insert(Feature::Mutated);
            if frames.len() > 1 {
                // What one fragment says may be another port now.
                excuse = Some(excuse.unwrap_or(Excuse::Mixed));
            }
            let at = random.usize(..frames.len());
            mutations::change(random, &mut frames[at], self.link);
        }
        Shot {
            frames,
            source: SocketAddr::new(addresses.source, datagram.source_port),
            features,
            excuse,
        }
    }
}

/// One of several, each as likely.
fn one_of<T: Copy>(random: &mut Rng, choices: &[T]) -> T {
    choices[random.usize(..choices.len())]
}

/// True in so many of a hundred cases.
fn percent(random: &mut Rng, hundredths: u8) -> bool {
    random.u8(..100) < hundredths
}
