//! The states that the process inside an environment goes through, as the Runtime API allows them. Pure: no I/O, no time.

use crate::runtime_api::Refusal;

/// Where the process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Initialising: has not asked for an event.
    Started,
    /// Has reported that it cannot initialise.
    InitFailed,
    /// Takes events.
    Live,
}

/// Where the process stands with one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Works on it.
    Running,
    /// Is streaming its answer.
    Responding,
    /// Works on it still, though the platform has ended it: what is said of it is taken and thrown away.
    Late,
}

/// What a call for the next event tells besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The first one: initialisation is over.
    First,
    /// The last event is over.
    Again,
    /// Nothing changed: the call before it was given up (its connection broke), or the process takes several events.
    Repeated,
}

/// The state machine of one process that takes so many events at once.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    phase: Phase,
    places: usize,
    /// What was handed over and is not answered.
    events: Vec<(String, Stage)>,
    /// The event that was answered last, until the process asks for another.
    answered: Option<String>,
}

impl Lifecycle {
    /// Of a process that was just started.
    pub(crate) fn new(places: usize) -> Self {
        Self {
            phase: Phase::Started,
            places,
            events: Vec::new(),
            answered: None,
        }
    }

    /// `GET …/invocation/next`, while `open` others wait for an answer.
    pub(crate) fn ask_next(&mut self, open: usize) -> Result<Asked, Refusal> {
        match self.phase {
            Phase::Started => {
                self.phase = Phase::Live;
                return Ok(Asked::First);
            }
            Phase::InitFailed => return Err(self.refuse("Ready")),
            Phase::Live => {}
        }
        // Whoever takes one event asks again after its answer; whoever takes several asks as often as it has places.
        let busy = match self.places {
            1 => self.events.len(),
            _ => open,
        };
        if busy >= self.places {
            return Err(self.refuse("Ready"));
        }
        Ok(match self.answered.take() {
            Some(_) => Asked::Again,
            None => Asked::Repeated,
        })
    }

    /// An event is handed over. Only a process that waits for one gets it.
    pub(crate) fn hand_over(&mut self, request_id: &str) {
        debug_assert!(self.phase == Phase::Live && self.events.len() < self.places);
        self.events.push((request_id.to_owned(), Stage::Running));
    }

    /// The connection that the event was written to broke before the process can have read it.
    pub(crate) fn take_back(&mut self, request_id: &str) {
        self.events.retain(|(id, _)| id != request_id);
    }

    /// The platform has ended the event, and the process goes on with others.
    pub(crate) fn expire(&mut self, request_id: &str) {
        if let Some((_, stage)) = self.events.iter_mut().find(|(id, _)| id == request_id) {
            *stage = Stage::Late;
        }
    }

    /// `POST …/{id}/response`, known whole.
    pub(crate) fn answer(&mut self, request_id: &str) -> Result<(), Refusal> {
        self.leave_running(request_id, "InvocationResponse")?;
        self.conclude(request_id);
        Ok(())
    }

    /// `POST …/{id}/error`.
    pub(crate) fn fail(&mut self, request_id: &str) -> Result<(), Refusal> {
        self.leave_running(request_id, "InvocationErrorResponse")?;
        self.conclude(request_id);
        Ok(())
    }

    /// `POST …/{id}/response` in streaming mode: the head has arrived.
    pub(crate) fn begin_stream(&mut self, request_id: &str) -> Result<(), Refusal> {
        let stage = self.leave_running(request_id, "InvocationResponse")?;
        if *stage == Stage::Running {
            *stage = Stage::Responding;
        }
        Ok(())
    }

    /// The streamed answer is complete. False when no such stream is open.
    pub(crate) fn end_stream(&mut self, request_id: &str) -> bool {
        let open = matches!(self.stage(request_id), Some(Stage::Responding | Stage::Late));
        if open {
            self.conclude(request_id);
        }
        open
    }

    /// `POST …/init/error`.
    pub(crate) fn fail_init(&mut self) -> Result<(), Refusal> {
        match self.phase {
            Phase::Started => {
                self.phase = Phase::InitFailed;
                Ok(())
            }
            _ => Err(self.refuse("InitError")),
        }
    }

    fn stage(&self, request_id: &str) -> Option<Stage> {
        let found = self.events.iter().find(|(id, _)| id == request_id);
        found.map(|(_, stage)| *stage)
    }

    fn leave_running(&mut self, request_id: &str, target: &str) -> Result<&mut Stage, Refusal> {
        let refused = match self.stage(request_id) {
            Some(Stage::Responding) => Refusal::invalid_state_transition("InvocationResponse", target),
            None if self.answered.as_deref() == Some(request_id) => self.refuse(target),
            _ => Refusal::invalid_request_id(),
        };
        let open = self.events.iter_mut().find(|(id, _)| id == request_id);
        open.map(|(_, stage)| stage)
            .filter(|stage| **stage != Stage::Responding)
            .ok_or(refused)
    }

    fn conclude(&mut self, request_id: &str) {
        self.take_back(request_id);
        self.answered = Some(request_id.to_owned());
    }

    fn refuse(&self, target: &str) -> Refusal {
        Refusal::invalid_state_transition(self.state_name(), target)
    }

    /// As AWS's own error messages name it.
    fn state_name(&self) -> &'static str {
        match (self.phase, self.events.last()) {
            (Phase::Started, _) => "Started",
            (Phase::InitFailed, _) => "InitError",
            (Phase::Live, Some((_, Stage::Responding))) => "InvocationResponse",
            (Phase::Live, Some(_)) => "Running",
            (Phase::Live, None) if self.answered.is_some() => "RuntimeResponseSentState",
            (Phase::Live, None) => "Ready",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(id: &str) -> Lifecycle {
        let mut life = Lifecycle::new(1);
        life.ask_next(0).unwrap();
        life.hand_over(id);
        life
    }

    #[test]
    fn an_event_goes_from_next_to_answer_to_next() {
        let mut life = Lifecycle::new(1);
        assert_eq!(life.ask_next(0).unwrap(), Asked::First);
        life.hand_over("a");
        life.answer("a").unwrap();
        assert_eq!(life.ask_next(0).unwrap(), Asked::Again);
        assert_eq!(life.ask_next(1).unwrap(), Asked::Repeated);
    }

    #[test]
    fn an_answer_to_another_event_is_an_invalid_request_id() {
        let mut life = running("a");
        let refusal = life.answer("b").unwrap_err();
        assert_eq!((refusal.status, refusal.error_type.as_str()), (400, "InvalidRequestID"));
        life.answer("a").unwrap();
    }

    #[test]
    fn a_second_answer_is_an_invalid_transition() {
        let mut life = running("a");
        life.fail("a").unwrap();
        let refusal = life.answer("a").unwrap_err();
        assert_eq!(
            (refusal.status, refusal.error_type.as_str()),
            (403, "InvalidStateTransition")
        );
    }

    #[test]
    fn next_before_the_answer_is_an_invalid_transition() {
        let mut life = running("a");
        assert_eq!(life.ask_next(0).unwrap_err().error_type, "InvalidStateTransition");
        life.begin_stream("a").unwrap();
        assert_eq!(life.ask_next(0).unwrap_err().error_type, "InvalidStateTransition");
        assert_eq!(life.answer("a").unwrap_err().error_type, "InvalidStateTransition");
        assert!(!life.end_stream("b"));
        assert!(life.end_stream("a"));
        life.ask_next(0).unwrap();
    }

    #[test]
    fn init_fails_once_and_only_before_the_first_event() {
        let mut life = Lifecycle::new(1);
        life.fail_init().unwrap();
        assert!(life.fail_init().is_err());
        assert!(life.ask_next(0).is_err());
        assert!(running("a").fail_init().is_err());
    }

    #[test]
    fn a_process_with_places_takes_several_and_each_ends_by_itself() {
        let mut life = Lifecycle::new(2);
        life.ask_next(0).unwrap();
        assert_eq!(life.ask_next(1).unwrap(), Asked::Repeated);
        assert_eq!(life.ask_next(2).unwrap_err().error_type, "InvalidStateTransition");
        life.hand_over("a");
        life.hand_over("b");
        life.begin_stream("a").unwrap();
        life.answer("b").unwrap();
        assert_eq!(life.answer("b").unwrap_err().error_type, "InvalidStateTransition");
        assert!(life.end_stream("a"));
    }

    #[test]
    fn what_is_said_of_an_event_that_was_ended_is_taken() {
        let mut life = Lifecycle::new(3);
        life.ask_next(0).unwrap();
        for id in ["a", "b", "c"] {
            life.hand_over(id);
            life.expire(id);
        }
        life.answer("a").unwrap();
        life.fail("b").unwrap();
        life.begin_stream("c").unwrap();
        assert!(life.end_stream("c"));
        assert_eq!(life.answer("d").unwrap_err().error_type, "InvalidRequestID");
    }
}
