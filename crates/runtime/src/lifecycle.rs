//! The states that the process inside an environment goes through, as the Runtime API allows them. Pure: no I/O, no time.

use crate::runtime_api::Refusal;

/// Where the process stands. Names in [`Lifecycle::state_name`] are those of AWS's own error messages.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Initialising: has not asked for an event.
    Started,
    /// Has reported that it cannot initialise.
    InitFailed,
    /// Waits for an event.
    Ready,
    /// Works on the event with this id.
    Running(String),
    /// Is streaming its answer to the event with this id.
    Responding(String),
    /// Has answered the event with this id and not yet asked for another.
    Answered(String),
}

/// What a call for the next event tells besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The first one: initialisation is over.
    First,
    /// The last event is over.
    Again,
    /// The call before it was given up (its connection broke); nothing changed.
    Repeated,
}

/// The state machine of one process.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    state: State,
}

impl Lifecycle {
    /// Of a process that was just started.
    pub(crate) fn new() -> Self {
        Self { state: State::Started }
    }

    /// `GET …/invocation/next`.
    pub(crate) fn ask_next(&mut self) -> Result<Asked, Refusal> {
        let asked = match self.state {
            State::Started => Asked::First,
            State::Answered(_) => Asked::Again,
            State::Ready => Asked::Repeated,
            State::InitFailed | State::Running(_) | State::Responding(_) => return Err(self.refuse("Ready")),
        };
        self.state = State::Ready;
        Ok(asked)
    }

    /// An event is handed over. Only a ready process gets one.
    pub(crate) fn hand_over(&mut self, request_id: &str) {
        debug_assert_eq!(self.state, State::Ready);
        self.state = State::Running(request_id.to_owned());
    }

    /// The connection that the event was written to broke before the process can have read it.
    pub(crate) fn take_back(&mut self) {
        self.state = State::Ready;
    }

    /// `POST …/{id}/response`, known whole.
    pub(crate) fn answer(&mut self, request_id: &str) -> Result<(), Refusal> {
        self.leave_running(request_id, "InvocationResponse", State::Answered)
    }

    /// `POST …/{id}/error`.
    pub(crate) fn fail(&mut self, request_id: &str) -> Result<(), Refusal> {
        self.leave_running(request_id, "InvocationErrorResponse", State::Answered)
    }

    /// `POST …/{id}/response` in streaming mode: the head has arrived.
    pub(crate) fn begin_stream(&mut self, request_id: &str) -> Result<(), Refusal> {
        self.leave_running(request_id, "InvocationResponse", State::Responding)
    }

    /// The streamed answer is complete. False when no such stream is open.
    pub(crate) fn end_stream(&mut self, request_id: &str) -> bool {
        let open = matches!(&self.state, State::Responding(id) if id == request_id);
        if open {
            self.state = State::Answered(request_id.to_owned());
        }
        open
    }

    /// `POST …/init/error`.
    pub(crate) fn fail_init(&mut self) -> Result<(), Refusal> {
        match self.state {
            State::Started => {
                self.state = State::InitFailed;
                Ok(())
            }
            _ => Err(self.refuse("InitError")),
        }
    }

    fn leave_running(&mut self, request_id: &str, target: &str, next: fn(String) -> State) -> Result<(), Refusal> {
        match &self.state {
            State::Running(id) if id == request_id => {
                self.state = next(request_id.to_owned());
                Ok(())
            }
            State::Responding(id) | State::Answered(id) if id == request_id => Err(self.refuse(target)),
            _ => Err(Refusal::invalid_request_id()),
        }
    }

    fn refuse(&self, target: &str) -> Refusal {
        Refusal::invalid_state_transition(self.state_name(), target)
    }

    fn state_name(&self) -> &'static str {
        match self.state {
            State::Started => "Started",
            State::InitFailed => "InitError",
            State::Ready => "Ready",
            State::Running(_) => "Running",
            State::Responding(_) => "InvocationResponse",
            State::Answered(_) => "RuntimeResponseSentState",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(id: &str) -> Lifecycle {
        let mut life = Lifecycle::new();
        life.ask_next().unwrap();
        life.hand_over(id);
        life
    }

    #[test]
    fn an_event_goes_from_next_to_answer_to_next() {
        let mut life = Lifecycle::new();
        assert_eq!(life.ask_next().unwrap(), Asked::First);
        life.hand_over("a");
        life.answer("a").unwrap();
        assert_eq!(life.ask_next().unwrap(), Asked::Again);
        assert_eq!(life.ask_next().unwrap(), Asked::Repeated);
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
        assert_eq!(life.ask_next().unwrap_err().error_type, "InvalidStateTransition");
        life.begin_stream("a").unwrap();
        assert_eq!(life.ask_next().unwrap_err().error_type, "InvalidStateTransition");
        assert!(!life.end_stream("b"));
        assert!(life.end_stream("a"));
        life.ask_next().unwrap();
    }

    #[test]
    fn init_fails_once_and_only_before_the_first_event() {
        let mut life = Lifecycle::new();
        life.fail_init().unwrap();
        assert!(life.fail_init().is_err());
        assert!(life.ask_next().is_err());
        assert!(running("a").fail_init().is_err());
    }
}
