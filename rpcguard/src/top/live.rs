//! The screen that follows what happens.

use std::{io, thread};

use anyhow::Context as _;
use crossterm::event::{self, Event};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{
    Options, keys,
    sampler::Sampler,
    screen::{self, Scene},
    terminal::Screen,
    theme::Theme,
    view::View,
};
use crate::end_signals::EndSignals;

/// Shows the guards until a key or a signal ends it.
pub(super) fn run(mut sampler: Sampler, options: Options, theme: Theme) -> anyhow::Result<()> {
    let mut view = View::default();
    // Whatever is wrong is said before the terminal is taken.
    update(&mut view, &mut sampler)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut end = EndSignals::catch()?;
        // The terminal may have been somebody else's while this process was stopped.
        let mut resume = signal(SignalKind::from_raw(libc::SIGCONT))?;
        let mut screen =
            Screen::take().context("cannot use the terminal (`--plain` prints lines instead)")?;
        let mut events = terminal_events();
        let mut ticks = interval_at(Instant::now() + options.interval, options.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut left = options.count;
        while left != Some(0) {
            let scene = Scene {
                theme,
                interval: options.interval,
            };
            screen.draw(|frame| screen::draw(frame, &view, scene))?;
            tokio::select! {
                biased;
                () = end.wait() => break,
                _ = resume.recv() => screen.retake()?,
                event = events.recv() => {
                    let event = event.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()));
                    let event = event.context("cannot read the keyboard")?;
                    if let Some(action) = keys::action(&event)
                        && view.act(action).is_break()
                    {
                        break;
                    }
                }
                _ = ticks.tick() => {
                    update(&mut view, &mut sampler)?;
                    left = left.map(|left| left - 1);
                }
            }
        }
        Ok(())
    })
}

fn update(view: &mut View, sampler: &mut Sampler) -> crate::error::Result<()> {
    let sample = sampler.sample()?;
    let (model, kept) = view.model_mut();
    model.update(sample, kept);
    Ok(())
}

/// What happens at the terminal. Reading it blocks, and stays blocked when the process ends.
fn terminal_events() -> mpsc::UnboundedReceiver<io::Result<Event>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::spawn(move || {
        loop {
            let event = event::read();
            let failed = event.is_err();
            if sender.send(event).is_err() || failed {
                break;
            }
        }
    });
    receiver
}
