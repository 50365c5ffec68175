//! What is to be seen: which interface, in which order, and whether it stands still.

use std::{ops::ControlFlow, time::SystemTime};

use super::{
    model::{Interface, Model},
    order::Sort,
};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// To end.
    Quit,
    /// To hide the keys, or else to end.
    Escape,
    /// To show the keys, or to hide them.
    Help,
    /// To stand still, or to go on.
    Pause,
    /// To show the next interface.
    Next,
    /// To show the one before.
    Previous,
    /// To sort by something else.
    Sort,
}

/// What the screen shows.
#[derive(Debug, Default)]
pub(crate) struct View {
    model: Model,
    /// What the model was when the view was paused.
    paused: Option<Model>,
    /// The interface that is shown alone.
    selected: Option<String>,
    pub(crate) sort: Sort,
    pub(crate) help: bool,
}

/// Which interfaces are shown.
#[derive(Debug)]
pub(crate) enum Subject<'a> {
    /// One, with its number, and how many there are.
    One(&'a Interface, usize, usize),
    /// All together.
    All(&'a [Interface]),
}

impl View {
    /// Does what a key asks for.
    pub(crate) fn act(&mut self, action: Action) -> ControlFlow<()> {
        match action {
            Action::Quit => return ControlFlow::Break(()),
            Action::Escape if !self.help => return ControlFlow::Break(()),
            Action::Escape => self.help = false,
            Action::Help => self.help = !self.help,
            Action::Pause => {
                self.paused = match self.paused.take() {
                    None => Some(self.model.clone()),
                    Some(_) => None,
                };
            }
            Action::Next => self.step(1),
            Action::Previous => self.step(-1),
            Action::Sort => self.sort = self.sort.next(),
        }
        ControlFlow::Continue(())
    }

    /// Whether it stands still.
    pub(crate) const fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// The model, to be updated even while the view stands still, and the interface that is to be kept
    /// in it.
    pub(crate) fn model_mut(&mut self) -> (&mut Model, Option<&str>) {
        (&mut self.model, self.selected.as_deref())
    }

    /// What is shown.
    pub(crate) fn subject(&self) -> Subject<'_> {
        let interfaces = self.interfaces();
        let index = match interfaces {
            [_] => Some(0),
            _ => self.selected_index(),
        };
        match index {
            Some(index) => Subject::One(&interfaces[index], index + 1, interfaces.len()),
            None => Subject::All(interfaces),
        }
    }

    /// The time of day that is shown.
    pub(crate) fn time(&self) -> Option<SystemTime> {
        self.shown().time()
    }

    fn shown(&self) -> &Model {
        self.paused.as_ref().unwrap_or(&self.model)
    }

    fn interfaces(&self) -> &[Interface] {
        &self.shown().interfaces
    }

    fn selected_index(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        let mut interfaces = self.interfaces().iter();
        interfaces.position(|interface| interface.name == *selected)
    }

    /// All together come before the first and after the last interface.
    fn step(&mut self, by: isize) {
        let places = self.interfaces().len() + 1;
        let place = self.selected_index().map_or(0, |index| index + 1);
        let place = (place + places).saturating_add_signed(by) % places;
        self.selected = place
            .checked_sub(1)
            .map(|index| self.interfaces()[index].name.clone());
    }
}
