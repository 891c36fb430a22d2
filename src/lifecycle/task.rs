//! What one run is to do, as it is kept with the run.

use super::status::{Phase, UnknownWord};

/// What one run is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// The phases, from this one on.
    Phases(Phase),
    /// Only a token refresh.
    Refresh,
    /// The custom action of this name.
    Action(String),
}

/// The word of a [`Task::Refresh`].
const REFRESH: &str = "refresh";
/// The word of a [`Task::Action`].
const ACTION: &str = "action";

impl Task {
    /// The kind of task in a word: the phase that it begins with, `refresh` or `action`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Phases(phase) => phase.as_str(),
            Self::Refresh => REFRESH,
            Self::Action(_) => ACTION,
        }
    }

    /// The phase that it begins with; none beside the phases.
    #[must_use]
    pub const fn phase(&self) -> Option<Phase> {
        match self {
            Self::Phases(phase) => Some(*phase),
            Self::Refresh | Self::Action(_) => None,
        }
    }

    /// The custom action's name.
    #[must_use]
    pub fn action(&self) -> Option<&str> {
        match self {
            Self::Action(name) => Some(name),
            Self::Phases(_) | Self::Refresh => None,
        }
    }

    /// A task from its [`word`](Self::word) and its [`action`](Self::action).
    ///
    /// # Errors
    /// When the word is none of a task, or no action is named where it says that there is one.
    pub fn of(word: &str, action: Option<String>) -> Result<Self, UnknownWord> {
        match (word, action) {
            (ACTION, Some(name)) => Ok(Self::Action(name)),
            (REFRESH, None) => Ok(Self::Refresh),
            (phase, None) => phase.parse().map(Self::Phases),
            (_, Some(_)) => {
                Err(UnknownWord { given: word.to_owned(), expected: format!("{ACTION}, since an action is named") })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_as_it_was_written_and_nothing_else_is_one() {
        let tasks = [
            Task::Phases(Phase::PostInstall),
            Task::Phases(Phase::Validation),
            Task::Refresh,
            Task::Action("refresh".to_owned()),
        ];
        for task in tasks {
            assert_eq!(Task::of(task.word(), task.action().map(str::to_owned)), Ok(task));
        }
        for (word, action) in [("action", None), ("refresh", Some("x")), ("validation", Some("x")), ("later", None)] {
            assert!(Task::of(word, action.map(str::to_owned)).is_err(), "{word} {action:?}");
        }
    }
}
