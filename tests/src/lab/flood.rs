//! Millions of packets a second from spoofed sources.
//!
//! An XDP program rewrites the source address of one frame again and again and sends it, inside
//! BPF_PROG_TEST_RUN with live frames: no socket and no packet buffer is in the way. The kernel
//! only hands such frames to an interface whose other end has an XDP program or GRO on.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use aya::{
    EbpfLoader,
    programs::{TestRun as _, TestRunAttrs, TestRunOptions, XdpMode},
};
use rpcguard::prefix::Prefix;

use super::{Host, LabProgram, skip};
use crate::release::{FRAGS, kernel_version};

/// Frames handed over at once.
const BATCH: u32 = 64;

/// Frames between two looks at the clock: many, because setting a run up takes some 40 ms.
const STRIDE: u32 = 2048 * BATCH;

/// How many prefixes a flood can claim to come from.
const PARTS: usize = 8;

/// Where a flood claims to come from: any address of a prefix, at random; and of which prefix, at random
/// too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources {
    up_to: [u32; PARTS],
    fixed: [[u32; 4]; PARTS],
    random: [[u32; 4]; PARTS],
    is_ipv4: bool,
}

impl Sources {
    /// Any address of a prefix; of a host prefix, always the same.
    #[must_use]
    pub fn any_of(prefix: Prefix) -> Self {
        Self::mixed(&[(prefix, 100)])
    }

    /// Any addresses of up to eight prefixes of one family, each of which has so many hundredths of the
    /// flood. The last one gets what is left.
    ///
    /// # Panics
    ///
    /// If there are too many prefixes, or too many hundredths.
    #[must_use]
    pub fn mixed(parts: &[(Prefix, u32)]) -> Self {
        let mut sources = Self {
            up_to: [u32::MAX; PARTS],
            fixed: [[0; 4]; PARTS],
            random: [[0; 4]; PARTS],
            is_ipv4: parts.iter().all(|(prefix, _)| prefix.address().is_ipv4()),
        };
        let mut up_to = 0;
        for (index, (prefix, hundredths)) in parts.iter().enumerate() {
            let address = match prefix.address() {
                IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
                IpAddr::V6(address) => address.to_bits(),
            };
            let random = u128::MAX.checked_shr(prefix.length().into()).unwrap_or(0);
            sources.fixed[index] = words(address);
            sources.random[index] = words(random);
            up_to += hundredths;
            assert!(up_to <= 100, "a flood has a hundred hundredths");
            if index + 1 < parts.len() {
                sources.up_to[index] = u32::MAX / 100 * up_to;
            }
        }
        sources
    }
}

/// An address in wire order.
fn words(bits: u128) -> [u32; 4] {
    [96, 64, 32, 0].map(|shift| u32::from_ne_bytes(((bits >> shift) as u32).to_be_bytes()))
}

/// A frame that is ready to be sent many times, out of one interface.
#[derive(Debug)]
pub struct Flood<'a> {
    program: LabProgram,
    host: &'a Host,
    context: Vec<u8>,
    frame: Vec<u8>,
}

/// What a flood came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flooded {
    /// Packets sent.
    pub packets: u64,
    /// For how long.
    pub elapsed: Duration,
}

impl Flooded {
    /// Packets a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.packets as f64 / self.elapsed.as_secs_f64()
    }
}

/// How much of a flood there is to be; each bound ends it.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Packets.
    pub packets: u64,
    /// Time.
    pub time: Duration,
    /// Packets a second; `None` for as many as one core can send.
    pub rate: Option<u64>,
}

impl<'a> Flood<'a> {
    /// Whether this kernel can make one; if not, says that the test is skipped.
    #[must_use]
    pub fn is_possible_or_skip(test: &str) -> bool {
        let is_possible = kernel_version() >= FRAGS;
        if !is_possible {
            skip(test, "no live frames to flood with before Linux 5.18");
        }
        is_possible
    }

    /// Prepares a flood of `frame`, which is UDP right after an IP header without options, from
    /// `sources` instead of its own source.
    ///
    /// # Errors
    ///
    /// If there is no such interface, or the frame and the sources are of different families.
    pub fn new(host: &'a Host, interface: &str, frame: Vec<u8>, sources: Sources) -> Result<Self> {
        Self::prepare(host, interface, frame, sources, false)
    }

    /// As [`Self::new`], of an RPC call with another transaction id in each packet.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn of_distinct_calls(
        host: &'a Host,
        interface: &str,
        frame: Vec<u8>,
        sources: Sources,
    ) -> Result<Self> {
        Self::prepare(host, interface, frame, sources, true)
    }

    fn prepare(
        host: &'a Host,
        interface: &str,
        frame: Vec<u8>,
        sources: Sources,
        distinct_calls: bool,
    ) -> Result<Self> {
        const IPV4: [u8; 2] = [0x08, 0x00];
        ensure!(
            (frame.get(12..14) == Some(&IPV4)) == sources.is_ipv4,
            "the flood's frame and its sources are of different address families"
        );
        let program = LabProgram::load_with(
            EbpfLoader::new()
                .override_global("UP_TO", &sources.up_to, true)
                .override_global("SOURCE", &sources.fixed, true)
                .override_global("RANDOM", &sources.random, true)
                .override_global("RANDOM_TRANSACTIONS", &u8::from(distinct_calls), true),
            "flood",
        )?;
        // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
        let ifindex = host.ifindex(interface)?;
        let context = [0, u32::try_from(frame.len())?, 0, ifindex, 0, 0];
        let context = context.into_iter().flat_map(u32::to_ne_bytes).collect();
        Ok(Self {
            program,
            host,
            context,
            frame,
        })
    }

    /// Lets what is sent from now on begin at once. The kernel prepares to call a program often, and waits
    /// until all CPUs know, which takes it some 40 ms; for one that is attached somewhere it has done so.
    /// `interface` is where: one that nothing arrives at.
    ///
    /// # Errors
    ///
    /// If there is no such interface, or something is attached to it already.
    pub fn stand_by(&mut self, interface: &str) -> Result<()> {
        let program = self.program.xdp_mut()?;
        self.host
            .enter(|| program.attach(interface, XdpMode::Skb))
            .with_context(|| format!("cannot attach the flood's program to {interface}"))?;
        Ok(())
    }

    /// Sends `packets`, as fast as one core can.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn send(&self, packets: u32) -> Result<()> {
        self.host.enter(|| self.send_from_this_thread(packets))
    }

    /// Sends until a bound is reached or `stop` is set.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn run(&self, bounds: Bounds, stop: &AtomicBool) -> Result<Flooded> {
        self.host.enter(|| {
            let start = Instant::now();
            let mut flooded = Flooded::default();
            while flooded.packets < bounds.packets
                && flooded.elapsed < bounds.time
                && !stop.load(Ordering::Relaxed)
            {
                // A millisecond's packets at once: to set a run up takes as long as some hundred.
                let (due, at_once) = match bounds.rate {
                    None => (u64::MAX, 1),
                    Some(rate) => (
                        (rate as f64 * flooded.elapsed.as_secs_f64()) as u64,
                        (rate / 1000).clamp(1, bounds.packets - flooded.packets),
                    ),
                };
                let packets = due
                    .min(bounds.packets)
                    .saturating_sub(flooded.packets)
                    .min(STRIDE.into()) as u32;
                if u64::from(packets) < at_once {
                    thread::sleep(Duration::from_micros(200));
                } else {
                    self.send_from_this_thread(packets)?;
                    flooded.packets += u64::from(packets);
                }
                flooded.elapsed = start.elapsed();
            }
            Ok(flooded)
        })
    }

    fn send_from_this_thread(&self, packets: u32) -> Result<()> {
        self.program
            .xdp()?
            .test_run(TestRunOptions {
                data_in: Some(&self.frame),
                ctx_in: Some(&self.context),
                repeat: packets,
                attrs: TestRunAttrs::new().xdp_live_frames(BATCH.min(packets)),
                ..TestRunOptions::new()
            })
            .context("cannot send live frames (they need kernel 5.18)")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Sources;

    fn words(bytes: [u8; 16]) -> [u32; 4] {
        let (words, _) = bytes.as_chunks();
        [words[0], words[1], words[2], words[3]].map(u32::from_ne_bytes)
    }

    #[test]
    fn sources_of_a_prefix_are_random_behind_its_length() {
        let sources = Sources::any_of("198.51.100.0/22".parse().unwrap());
        let mut fixed = [0; 16];
        fixed[..4].copy_from_slice(&[198, 51, 100, 0]);
        assert_eq!(sources.fixed[0], words(fixed));
        let mut random = [0xff; 16];
        random[..4].copy_from_slice(&[0, 0, 3, 0xff]);
        assert_eq!(sources.random[0], words(random));
        assert_eq!(sources.up_to[0], u32::MAX);
    }

    #[test]
    fn a_host_prefix_is_one_source() {
        assert_eq!(Sources::any_of("::1".parse().unwrap()).random[0], [0; 4]);
    }

    #[test]
    fn each_prefix_has_its_share_and_the_last_one_the_rest() {
        let [one, other] = ["192.0.2.1", "0.0.0.0/0"].map(|prefix| prefix.parse().unwrap());
        let sources = Sources::mixed(&[(one, 25), (other, 75)]);
        let share = f64::from(sources.up_to[0]) / f64::from(u32::MAX);
        assert!((share - 0.25).abs() < 1e-6, "{share}");
        assert_eq!(sources.up_to[1], u32::MAX);
        assert_eq!(sources.random[1], [u32::MAX; 4]);
    }
}
