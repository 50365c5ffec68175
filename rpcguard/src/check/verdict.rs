//! The verdict of a check, and the one table of what a remote check may have seen and what that
//! amounts to.

/// Whether a portmapper is exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nobody but those who are meant to is answered.
    NotExposed,
    /// Anybody is served at a limited rate, or answered small calls only: of no use to an attacker.
    Limited,
    /// Could not tell.
    Unknown,
    /// Anybody is answered, or who asked was.
    Exposed,
}

impl Verdict {
    /// The word for it in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotExposed => "not_exposed",
            Self::Limited => "limited",
            Self::Unknown => "unknown",
            Self::Exposed => "exposed",
        }
    }

    /// The word that a line with the verdict begins with.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::NotExposed => "not exposed",
            Self::Limited => "limited",
            Self::Unknown => "could not tell",
            Self::Exposed => "EXPOSED",
        }
    }

    /// The verdict about several: exposed if one of them is, and otherwise as uncertain as the most
    /// uncertain one.
    #[must_use]
    pub fn of_all(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().max().unwrap_or(Self::Unknown)
    }
}

/// The kinds of questions, by how large the reply may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// The reply is smaller than the question.
    Small,
    /// As [`Question::Small`], in the version of the protocol that [`Question::Medium`] is of.
    SmallBeside,
    /// The reply is larger than the question and always fits into one packet.
    Medium,
    /// The reply grows with registrations or statistics; in fragments, it may be lost on the way.
    Large,
    /// To relay a call.
    Relay,
}

/// The kinds of outcomes, as far as the verdict goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// A datagram larger than the question, whatever it says.
    Larger,
    /// A good reply, no larger than the question, or over a connection.
    Success,
    /// A refusal no larger than the question, or over a connection.
    Refusal,
    /// Nothing.
    Silence,
    /// Word that nothing listens or that it does not get through.
    Unreachable,
    /// Something that is no reply, or makes no sense.
    Garbage,
    /// It could not be sent, or got lost for a reason that has nothing to do with the host.
    NotAsked,
}

/// The finding about one transport; the more certain the exposure, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// No reply came.
    NoAnswer,
    /// Every reply was a refusal no larger than the question.
    Refuses,
    /// Small questions are answered; larger replies are refused, or held back whatever their size.
    SmallOnly,
    /// It could not be asked from here.
    NotAsked,
    /// The replies make no sense, or are too few.
    Unclear,
    /// Small questions are answered; larger replies may exist, and be lost on the way.
    Answers,
    /// It tells what is registered, or how it is used.
    Tells,
    /// Calls are relayed.
    Relays,
    /// A reply over UDP was larger than its question.
    Amplifies,
}

impl Finding {
    /// The word for it in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::Refuses => "refuses",
            Self::SmallOnly => "small_only",
            Self::NotAsked => "not_asked",
            Self::Unclear => "unclear",
            Self::Answers => "answers",
            Self::Tells => "tells",
            Self::Relays => "relays",
            Self::Amplifies => "amplifies",
        }
    }

    /// The verdict.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::NoAnswer => Verdict::NotExposed,
            Self::Refuses | Self::SmallOnly => Verdict::Limited,
            Self::NotAsked | Self::Unclear => Verdict::Unknown,
            Self::Answers | Self::Tells | Self::Relays | Self::Amplifies => Verdict::Exposed,
        }
    }

    /// The table: what came of the questions over one transport.
    pub(super) fn of(seen: &[(Question, Came)]) -> Self {
        let any = |wanted: &dyn Fn(Question, Came) -> bool| {
            seen.iter().any(|(question, came)| wanted(*question, *came))
        };
        // Certain, whatever else was seen.
        if any(&|_, came| came == Came::Larger) {
            return Self::Amplifies;
        }
        if any(&|question, came| question == Question::Relay && came == Came::Success) {
            return Self::Relays;
        }
        if any(&|question, came| {
            matches!(question, Question::Medium | Question::Large) && came == Came::Success
        }) {
            return Self::Tells;
        }
        // From here on, a relay is left out: portmappers that answer nothing else may refuse to
        // relay, and those that answer everything else mostly say nothing.
        let any =
            |wanted: Came| any(&|question, came| question != Question::Relay && came == wanted);
        let small = any(Came::Success);
        if !small && !any(Came::Refusal) {
            return if any(Came::Garbage) {
                Self::Unclear
            } else if any(Came::NotAsked) || seen.is_empty() {
                Self::NotAsked
            } else {
                Self::NoAnswer
            };
        }
        // Silence to large questions may be replies that got lost in fragments. It is not, if a
        // reply that needs none was not heard either, of a version that it speaks.
        let large = |wanted: Came| seen.contains(&(Question::Large, wanted));
        let held_back = seen.contains(&(Question::Medium, Came::Silence))
            && seen.contains(&(Question::SmallBeside, Came::Success));
        let in_doubt = large(Came::Garbage) || (large(Came::Silence) && !held_back);
        if !in_doubt && large(Came::NotAsked) {
            return Self::NotAsked;
        }
        match (small, in_doubt) {
            (true, false) => Self::SmallOnly,
            (true, true) => Self::Answers,
            (false, false) => Self::Refuses,
            (false, true) => Self::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Came::{self, Garbage, Larger, NotAsked, Refusal, Silence, Success, Unreachable},
        Finding,
        Question::{Large, Medium, Relay, Small, SmallBeside},
        Verdict::{self, Exposed, Limited, NotExposed, Unknown},
    };

    #[test]
    fn one_exposed_address_is_enough_and_one_unknown_one_leaves_doubt() {
        for (verdicts, all) in [
            (&[NotExposed, Exposed, Unknown][..], Exposed),
            (&[NotExposed, Unknown, Limited], Unknown),
            (&[NotExposed, Limited], Limited),
            (&[NotExposed], NotExposed),
            (&[], Unknown),
        ] {
            assert_eq!(Verdict::of_all(verdicts.iter().copied()), all);
        }
    }

    const ALL: [Came; 7] = [
        Larger,
        Success,
        Refusal,
        Silence,
        Unreachable,
        Garbage,
        NotAsked,
    ];

    #[test]
    fn a_small_question_and_a_large_one_make_the_verdict() {
        // A row for each outcome of the small question, a column for each of the large one: as in
        // `ALL`.
        let table = [
            [Exposed; 7],
            [
                Exposed, Exposed, Limited, Exposed, Limited, Exposed, Unknown,
            ],
            [
                Exposed, Exposed, Limited, Unknown, Limited, Unknown, Unknown,
            ],
            [
                Exposed, Exposed, Limited, NotExposed, NotExposed, Unknown, Unknown,
            ],
            [
                Exposed, Exposed, Limited, NotExposed, NotExposed, Unknown, Unknown,
            ],
            [
                Exposed, Exposed, Limited, Unknown, Unknown, Unknown, Unknown,
            ],
            [
                Exposed, Exposed, Limited, Unknown, Unknown, Unknown, Unknown,
            ],
        ];
        for (small, row) in ALL.into_iter().zip(table) {
            for (large, verdict) in ALL.into_iter().zip(row) {
                // A refusal of the large question with silence to the small one is the one odd
                // case.
                let found = Finding::of(&[(Small, small), (Large, large)]);
                assert_eq!(found.verdict(), verdict, "{small:?}, {large:?}: {found:?}");
            }
        }
    }

    #[test]
    fn silence_to_large_questions_is_a_limit_only_if_it_does_not_depend_on_the_size() {
        for (medium, finding) in [
            (Larger, Finding::Amplifies),
            (Success, Finding::Tells),
            (Refusal, Finding::Answers),
            (Silence, Finding::SmallOnly),
            (Unreachable, Finding::Answers),
            (Garbage, Finding::Answers),
            (NotAsked, Finding::Answers),
        ] {
            let seen = [(SmallBeside, Success), (Large, Silence), (Medium, medium)];
            assert_eq!(Finding::of(&seen), finding, "{medium:?}");
        }
        // A portmapper of another version has nothing to say to it.
        for beside in [Silence, Refusal] {
            let seen = [
                (Small, Success),
                (SmallBeside, beside),
                (Large, Silence),
                (Medium, Silence),
            ];
            assert_eq!(Finding::of(&seen), Finding::Answers, "{beside:?}");
        }
        // Among large questions, one that was lost leaves as much doubt as all.
        let seen = [(Small, Success), (Large, Refusal), (Large, Silence)];
        assert_eq!(Finding::of(&seen), Finding::Answers);
    }

    #[test]
    fn a_relay_counts_if_it_relays_and_not_if_it_refuses() {
        for (came, finding) in [
            (Larger, Finding::Amplifies),
            (Success, Finding::Relays),
            (Refusal, Finding::NoAnswer),
            (Silence, Finding::NoAnswer),
            (Unreachable, Finding::NoAnswer),
        ] {
            let seen = [(Small, Silence), (Large, Silence), (Relay, came)];
            assert_eq!(Finding::of(&seen), finding, "{came:?}");
        }
    }

    #[test]
    fn without_an_answer_it_is_not_exposed_only_if_everything_was_asked() {
        for (seen, finding) in [
            (&[][..], Finding::NotAsked),
            (&[Silence, Unreachable][..], Finding::NoAnswer),
            (&[Silence, NotAsked][..], Finding::NotAsked),
            (&[Garbage, NotAsked, Silence][..], Finding::Unclear),
        ] {
            let seen: Vec<_> = seen.iter().map(|came| (Small, *came)).collect();
            assert_eq!(Finding::of(&seen), finding);
        }
    }

    #[test]
    fn the_more_certain_exposure_comes_last() {
        // An address is judged by the greater of its two findings.
        let verdicts = [
            Finding::NoAnswer,
            Finding::Refuses,
            Finding::SmallOnly,
            Finding::NotAsked,
            Finding::Unclear,
            Finding::Answers,
            Finding::Tells,
            Finding::Relays,
            Finding::Amplifies,
        ];
        assert!(verdicts.is_sorted());
        assert!(verdicts.map(Finding::verdict).is_sorted());
    }
}
