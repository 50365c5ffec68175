//! What keys mean.

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};

use super::view::Action;

/// What an event of the terminal asks for, if it asks for something.
pub(super) fn action(event: &Event) -> Option<Action> {
    let Event::Key(key) = event else {
        return None;
    };
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c') if control => Action::Quit,
        _ if control => return None,
        KeyCode::Char('q' | 'Q') => Action::Quit,
        KeyCode::Esc => Action::Escape,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => Action::Help,
        KeyCode::Char('p' | 'P' | ' ') => Action::Pause,
        KeyCode::Tab | KeyCode::Right | KeyCode::Down => Action::Next,
        KeyCode::BackTab | KeyCode::Left | KeyCode::Up => Action::Previous,
        KeyCode::Char('s' | 'S') => Action::Sort,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyEvent;

    use super::*;

    fn pressed(code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
        action(&Event::Key(KeyEvent::new(code, modifiers)))
    }

    #[test]
    fn every_documented_key_does_what_it_says() {
        for (codes, expected) in [
            (&[KeyCode::Char('q')][..], Action::Quit),
            (&[KeyCode::Esc], Action::Escape),
            (&[KeyCode::Char('?')], Action::Help),
            (&[KeyCode::Char('p'), KeyCode::Char(' ')], Action::Pause),
            (&[KeyCode::Tab, KeyCode::Right, KeyCode::Down], Action::Next),
            (
                &[KeyCode::BackTab, KeyCode::Left, KeyCode::Up],
                Action::Previous,
            ),
            (&[KeyCode::Char('s')], Action::Sort),
        ] {
            for code in codes {
                assert_eq!(pressed(*code, KeyModifiers::NONE), Some(expected), "{code}");
            }
        }
        let interrupt = pressed(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(interrupt, Some(Action::Quit));
    }

    #[test]
    fn other_keys_do_nothing() {
        assert_eq!(pressed(KeyCode::Char('x'), KeyModifiers::NONE), None);
        assert_eq!(pressed(KeyCode::Char('c'), KeyModifiers::NONE), None);
        assert_eq!(pressed(KeyCode::Char('s'), KeyModifiers::CONTROL), None);
        assert_eq!(action(&Event::Resize(80, 24)), None);
    }
}
