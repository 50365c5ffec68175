//! What the terminal can show.

use ratatui::style::{Color, Modifier, Style};

/// How things are marked. Everything that colour says, words say too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    /// Whether there are colours.
    pub(crate) colour: bool,
    /// Whether there are characters beyond ASCII.
    pub(crate) unicode: bool,
}

impl Theme {
    /// What the environment says about the terminal.
    pub(crate) fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let locale = set("LC_ALL")
            .or_else(|| set("LC_CTYPE"))
            .or_else(|| set("LANG"))
            .unwrap_or_default()
            .to_ascii_uppercase();
        let terminal = set("TERM").unwrap_or_default();
        Self {
            colour: set("NO_COLOR").is_none() && !is_monochrome(&terminal),
            unicode: locale.contains("UTF-8") || locale.contains("UTF8"),
        }
    }

    /// What is dropped.
    pub(super) const fn dropped(self) -> Style {
        self.coloured(Color::Red)
    }

    /// What passes.
    pub(super) const fn passed(self) -> Style {
        self.coloured(Color::Green)
    }

    /// What passes only because the guard observes, and what needs attention.
    pub(super) const fn warning(self) -> Style {
        self.coloured(Color::Yellow)
    }

    /// What is above a table.
    pub(super) const fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED))
    }

    const fn coloured(self, colour: Color) -> Style {
        if self.colour {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    /// From nothing to the most.
    pub(super) const fn bars(self) -> [char; 9] {
        if self.unicode {
            [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
        } else {
            [' ', '.', ':', '-', '=', '+', '*', '#', '@']
        }
    }

    /// Stands for what is left out.
    pub(super) const fn ellipsis(self) -> &'static str {
        if self.unicode { "…" } else { ".." }
    }
}

/// Whether a terminal of this type is known to have no colours.
fn is_monochrome(terminal: &str) -> bool {
    terminal.is_empty()
        || terminal == "dumb"
        || terminal.starts_with("vt1")
        || terminal.starts_with("vt2")
        || terminal.ends_with("-m")
        || terminal.ends_with("-mono")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theme(variables: &[(&str, &str)]) -> (bool, bool) {
        let theme = Theme::of_environment(|name| {
            let mut variables = variables.iter();
            let found = variables.find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        (theme.colour, theme.unicode)
    }

    #[test]
    fn colour_is_for_terminals_that_have_it_and_people_who_want_it() {
        assert!(theme(&[("TERM", "xterm-256color")]).0);
        assert!(theme(&[("TERM", "linux"), ("NO_COLOR", "")]).0);
        for variables in [
            &[("TERM", "xterm"), ("NO_COLOR", "1")][..],
            &[("TERM", "vt100")],
            &[("TERM", "vt220")],
            &[("TERM", "xterm-mono")],
            &[("TERM", "dumb")],
            &[],
        ] {
            assert!(!theme(variables).0, "{variables:?}");
        }
    }

    #[test]
    fn the_first_locale_that_is_set_decides_about_characters() {
        assert!(theme(&[("LANG", "C.UTF-8")]).1);
        assert!(theme(&[("LANG", "de_DE.utf8"), ("LC_ALL", "")]).1);
        assert!(!theme(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "C")]).1);
        assert!(!theme(&[]).1);
    }
}
