//! A TCP connection of iperf3.

use std::{
    io::{BufRead as _, BufReader},
    net::Ipv4Addr,
    process::{Child, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use rpcguard_tests::lab::Host;
use serde_json::Value;

use crate::{
    cores::Core,
    town::{SERVER, Town},
};

/// Gbit/s from the router to the server, over one second, with each end on a core of its own.
pub(super) fn throughput(town: &Town, sender: &Core, receiver: &Core) -> Result<f64> {
    let _server = Server::start(&town.server)?;
    let address = Ipv4Addr::from(SERVER).to_string();
    let cores = format!("{},{}", sender.number(), receiver.number());
    let said = town.router.run(
        "iperf3",
        &["-c", &address, "-t", "1", "-A", &cores, "--json"],
    )?;
    let result: Value = serde_json::from_str(&said)?;
    let bits = result["end"]["sum_received"]["bits_per_second"].as_f64();
    Ok(bits.with_context(|| format!("no throughput in: {said}"))? / 1e9)
}

/// An iperf3 that serves one test, stopped when this value goes.
struct Server(Child);

impl Server {
    fn start(host: &Host) -> Result<Self> {
        let child = host
            .command("iperf3")
            .args(["-s", "--one-off", "--forceflush"])
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run iperf3")?;
        let mut server = Self(child);
        let output = server.0.stdout.take().context("iperf3 has no output")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        while !line.contains("listening") {
            line.clear();
            let length = output.read_line(&mut line)?;
            ensure!(length > 0, "iperf3 ended as soon as it was started");
        }
        // It goes on writing.
        server.0.stdout = Some(output.into_inner());
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
