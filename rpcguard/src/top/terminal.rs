//! The terminal, which is given back as it was found, whatever happens.

use std::{
    io::{self, BufWriter, Stdout, stdout},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::{
    cursor::{MoveTo, Show},
    execute,
    terminal::{
        Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode, size,
    },
};
use ratatui::{
    Frame, Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, layout::Rect,
};

/// What is assumed where the terminal does not tell its size: serial lines do not.
const USUAL_SIZE: Rect = Rect::new(0, 0, 80, 24);

/// Whether there is something to give back.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Each picture is written at once: half of one next to half of the last would be misread.
type Backend = CrosstermBackend<BufWriter<Stdout>>;

/// A terminal that is drawn on. It is given back when this is dropped, or when a thread panics.
pub(super) struct Screen {
    terminal: Terminal<Backend>,
    _taken: Taken,
}

impl Screen {
    /// Takes the terminal that standard output is.
    pub(super) fn take() -> io::Result<Self> {
        give_back_on_panic();
        let taken = Taken;
        take()?;
        Ok(Self {
            terminal: blank()?,
            _taken: taken,
        })
    }

    /// Draws anew, in the size that the terminal has now.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(|_| ())
    }

    /// Takes the terminal again after somebody else may have had it.
    pub(super) fn retake(&mut self) -> io::Result<()> {
        give_back();
        take()?;
        self.terminal = blank()?;
        Ok(())
    }
}

/// What is drawn on, once the terminal is blank.
fn blank() -> io::Result<Terminal<Backend>> {
    /// More than a picture takes.
    const CAPACITY: usize = 1 << 16;
    let (columns, rows) = size()?;
    let viewport = if columns == 0 || rows == 0 {
        Viewport::Fixed(USUAL_SIZE)
    } else {
        Viewport::Fullscreen
    };
    let backend = CrosstermBackend::new(BufWriter::with_capacity(CAPACITY, stdout()));
    Terminal::with_options(backend, TerminalOptions { viewport })
}

/// Gives the terminal back when dropped.
struct Taken;

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    // Not Terminal::clear, which asks where the cursor is: not every terminal answers.
    execute!(stdout(), EnterAlternateScreen, Clear(ClearType::All))
}

/// Once only: leaving the other screen moves the cursor to where it was.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // Where there is no other screen, the next line is the last.
    let last = size().map_or(0, |(_, rows)| rows.saturating_sub(1));
    // Each is tried, and there is nobody to tell should the terminal be gone.
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), MoveTo(0, last), LeaveAlternateScreen, Show);
}

/// Lets what is said about a panic be read.
fn give_back_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            give_back();
            report(panic);
        }));
    });
}
