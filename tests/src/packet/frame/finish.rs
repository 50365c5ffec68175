//! Lengths and checksums, which only the whole frame tells.

use super::{Frame, Network, Transport};
use crate::packet::{checksum, numbers::UDP};

impl Frame {
    /// The finished frame.
    #[must_use]
    pub fn build(mut self) -> Vec<u8> {
        for network in self.networks.clone() {
            self.finish_network(network);
        }
        if let Some(transport) = self.transport {
            let network = *self.last_network();
            self.finish_transport(network, transport);
        }
        self.bytes.extend(&self.padding);
        if let Some(cut) = self.cut {
            self.bytes.truncate(cut);
        }
        self.bytes
    }

    fn finish_network(&mut self, network: Network) {
        let start = network.start;
        let length = self.bytes.len() - start;
        if network.version == 4 {
            let length = network.length.unwrap_or(length as u16);
            self.bytes[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
            let end = (start + usize::from(self.bytes[start] & 0x0f) * 4).min(self.bytes.len());
            let sum = checksum::internet(&[&self.bytes[start..end]]);
            self.bytes[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
        } else {
            let length = network.length.unwrap_or((length - 40) as u16);
            self.bytes[start + 4..start + 6].copy_from_slice(&length.to_be_bytes());
        }
    }

    /// The checksum is right for as many bytes as the UDP length says, where they are there.
    fn finish_transport(&mut self, network: Network, transport: Transport) {
        let Transport { start, protocol } = transport;
        let mut end = self.bytes.len();
        let mut checksum_at = start + 16;
        if protocol == UDP {
            let length = self.udp_length.unwrap_or((end - start) as u16);
            self.bytes[start + 4..start + 6].copy_from_slice(&length.to_be_bytes());
            checksum_at = start + 6;
            if length >= 8 {
                end = end.min(start + usize::from(length));
            }
        }
        let addresses = match network.version {
            4 => network.start + 12..network.start + 20,
            _ => network.start + 8..network.start + 40,
        };
        let pseudo_header = [[0, protocol], ((end - start) as u16).to_be_bytes()].concat();
        let sum = checksum::internet(&[
            &self.bytes[addresses],
            &pseudo_header,
            &self.bytes[start..end],
        ]);
        self.bytes[checksum_at..checksum_at + 2].copy_from_slice(&sum.to_be_bytes());
    }
}
