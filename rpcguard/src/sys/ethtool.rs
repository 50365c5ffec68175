//! What drivers tell through ethtool's ioctl: names, queues and offloads. Nothing is changed, and no privilege
//! needed.
#![expect(unsafe_code, reason = "ioctl(2)")]

use std::{
    ffi::{CStr, c_char},
    io, mem,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

// linux/ethtool.h
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
const ETHTOOL_GFEATURES: u32 = 0x3a;
const ETHTOOL_GCHANNELS: u32 = 0x3c;
const ETH_SS_FEATURES: u32 = 4;

/// Words in `struct ethtool_drvinfo`.
const DRVINFO_WORDS: usize = 49;

/// Bytes in a name that ethtool gives (`ETH_GSTRING_LEN`, `ETHTOOL_BUSINFO_LEN`).
const NAME_LEN: usize = 32;

/// More features than any kernel has.
const MAX_FEATURES: u32 = 1024;

/// How many queues an interface has, and may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Channels {
    /// Queues that receive as well as send.
    pub(crate) combined: u32,
    pub(crate) rx: u32,
    pub(crate) tx: u32,
    pub(crate) max_combined: u32,
    pub(crate) max_rx: u32,
    pub(crate) max_tx: u32,
}

/// An offload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Feature {
    /// The kernel's name, which `ethtool -K` takes too.
    pub(crate) name: String,
    pub(crate) on: bool,
    /// Whether it can be switched.
    pub(crate) fixed: bool,
}

/// Ethtool's questions about one interface of the calling thread's network namespace.
pub(crate) struct Ethtool {
    socket: OwnedFd,
    name: [c_char; libc::IFNAMSIZ],
}

impl Ethtool {
    pub(crate) fn open(interface: &str) -> io::Result<Self> {
        let mut name = [0; libc::IFNAMSIZ];
        // The last one stays zero.
        for (to, from) in name[..libc::IFNAMSIZ - 1].iter_mut().zip(interface.bytes()) {
            *to = from as c_char;
        }
        // SAFETY: socket(2) takes three numbers.
        let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            // SAFETY: socket(2) just returned this descriptor, and nobody else has it.
            socket: unsafe { OwnedFd::from_raw_fd(fd) },
            name,
        })
    }

    /// The driver's name.
    pub(crate) fn driver(&self) -> io::Result<String> {
        let mut words = [0; DRVINFO_WORDS];
        words[0] = ETHTOOL_GDRVINFO;
        self.ask(&mut words)?;
        Ok(text(&words[1..=NAME_LEN / 4]))
    }

    pub(crate) fn channels(&self) -> io::Result<Channels> {
        let mut words = [0; 9];
        words[0] = ETHTOOL_GCHANNELS;
        self.ask(&mut words)?;
        let [_, max_rx, max_tx, _, max_combined, rx, tx, _, combined] = words;
        Ok(Channels {
            combined,
            rx,
            tx,
            max_combined,
            max_rx,
            max_tx,
        })
    }

    /// All offloads, in the kernel's order.
    pub(crate) fn features(&self) -> io::Result<Vec<Feature>> {
        // cmd, reserved, a mask of 64 bits, and the length of each set in the mask.
        let mut words = [ETHTOOL_GSSET_INFO, 0, 0, 0, 0];
        put_u64(&mut words[2..4], 1 << ETH_SS_FEATURES);
        self.ask(&mut words)?;
        let count = words[4].min(MAX_FEATURES) as usize;

        let mut names = vec![0; 3 + count * NAME_LEN / 4];
        names[..3].copy_from_slice(&[ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count as u32]);
        self.ask(&mut names)?;

        // For each 32 features: which can be switched at all, are wanted, are on, can never be switched.
        let blocks = count.div_ceil(32);
        let mut states = vec![0; 2 + blocks * 4];
        states[..2].copy_from_slice(&[ETHTOOL_GFEATURES, blocks as u32]);
        self.ask(&mut states)?;

        let features = names[3..].chunks_exact(NAME_LEN / 4).enumerate();
        let features = features.map(|(index, name)| {
            let [available, _, active, never_changed] =
                std::array::from_fn(|word| states[2 + index / 32 * 4 + word]);
            let bit = 1 << (index % 32);
            Feature {
                name: text(name),
                on: active & bit != 0,
                fixed: available & bit == 0 || never_changed & bit != 0,
            }
        });
        Ok(features.collect())
    }

    /// Asks what the first word says; the answer takes the place of the question.
    fn ask(&self, words: &mut [u32]) -> io::Result<()> {
        // SAFETY: ifreq consists of integers and of pointers that may be null.
        let mut request: libc::ifreq = unsafe { mem::zeroed() };
        request.ifr_name = self.name;
        request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
        // SAFETY: the callers made the buffer as long as what the command writes.
        let result = unsafe {
            libc::ioctl(
                self.socket.as_raw_fd(),
                libc::SIOCETHTOOL as libc::Ioctl,
                &raw mut request,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

fn put_u64(words: &mut [u32], value: u64) {
    let bytes = value.to_ne_bytes();
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = bytes.try_into().map_or(0, u32::from_ne_bytes);
    }
}

/// A string that ends with a zero, or with its room.
fn text(words: &[u32]) -> String {
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    bytes.push(0);
    CStr::from_bytes_until_nul(&bytes)
        .map(|text| text.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every machine has it.
    #[test]
    fn loopback_has_offloads() {
        let loopback = Ethtool::open("lo").unwrap();
        let features = loopback.features().unwrap();
        let gro = features.iter().find(|feature| feature.name == "rx-gro");
        assert!(gro.is_some_and(|gro| !gro.fixed), "{features:?}");
        let unknown = Ethtool::open("no-such-one").unwrap();
        assert!(unknown.driver().is_err());
    }

    #[test]
    fn names_end_with_a_zero_or_their_room() {
        let words = |text: &[u8; 8]| {
            [&text[..4], &text[4..]].map(|half| u32::from_ne_bytes(half.try_into().unwrap()))
        };
        assert_eq!(text(&words(b"veth\0xyz")), "veth");
        assert_eq!(text(&words(b"virtio_n")), "virtio_n");
        assert_eq!(text(&words(b"\0\0\0\0\0\0\0\0")), "");
    }
}
