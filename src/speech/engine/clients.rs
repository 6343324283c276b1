//! Who asked for which window: several clients share one engine, each with numbers of its own.

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;

use super::EngineError;
use crate::speech::Recognition;

/// What a client gets back: its own number of the window, and what became of it.
pub(super) type Answer = (u64, Result<Recognition, EngineError>);

/// The clients of one engine, and the windows they wait for.
#[derive(Debug, Default)]
pub(super) struct Clients {
    outboxes: BTreeMap<u64, SyncSender<Answer>>,
    /// For each window inside the engine: whose it is, and how they call it.
    asked: BTreeMap<u64, (u64, u64)>,
    tickets: u64,
}

impl Clients {
    /// Lets a client in; its answers go to `outbox`, which holds all it may wait for.
    pub fn join(&mut self, client: u64, outbox: SyncSender<Answer>) {
        self.outboxes.insert(client, outbox);
    }

    /// Lets a client go, and returns the windows that nobody waits for any more.
    pub fn leave(&mut self, client: u64) -> Vec<u64> {
        self.outboxes.remove(&client);
        let theirs = self.asked.iter().filter(|(_, (owner, _))| *owner == client);
        let tickets: Vec<u64> = theirs.map(|(ticket, _)| *ticket).collect();
        for ticket in &tickets {
            self.asked.remove(ticket);
        }
        tickets
    }

    /// Takes a window of a client, and returns the number it has inside the engine.
    pub fn take(&mut self, client: u64, id: u64) -> u64 {
        self.tickets += 1;
        self.asked.insert(self.tickets, (client, id));
        self.tickets
    }

    /// Returns the number that a client's window has inside the engine, while it is unanswered.
    pub fn ticket(&self, client: u64, id: u64) -> Option<u64> {
        self.asked.iter().find(|(_, asked)| **asked == (client, id)).map(|(ticket, _)| *ticket)
    }

    /// Gives an answer to whoever waits for it; who has left gets none.
    pub fn answer(&mut self, ticket: u64, answer: Result<Recognition, EngineError>) {
        let Some((client, id)) = self.asked.remove(&ticket) else { return };
        if let Some(outbox) = self.outboxes.get(&client) {
            // An outbox holds every window that may be unanswered, so it is never full.
            let _ = outbox.try_send((id, answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::speech::RecognizeError;

    fn cancelled() -> Result<Recognition, EngineError> {
        Err(EngineError::Refused(RecognizeError::Cancelled))
    }

    #[test]
    fn two_clients_that_use_the_same_number_get_their_own_answers() {
        let mut clients = Clients::default();
        let ((first, firsts), (second, seconds)) = (sync_channel(4), sync_channel(4));
        clients.join(1, first);
        clients.join(2, second);
        let (one, two) = (clients.take(1, 7), clients.take(2, 7));
        clients.answer(two, cancelled());
        assert_eq!(seconds.try_recv().map(|(id, _)| id), Ok(7));
        assert!(firsts.try_recv().is_err());
        clients.answer(one, cancelled());
        assert_eq!(firsts.try_recv().map(|(id, _)| id), Ok(7));
    }

    #[test]
    fn who_leaves_names_what_nobody_waits_for_and_hears_no_more() {
        let mut clients = Clients::default();
        let (outbox, answers) = sync_channel(4);
        clients.join(1, outbox);
        clients.join(2, sync_channel(4).0);
        let (theirs, other) = (clients.take(1, 7), clients.take(2, 8));
        assert_eq!((clients.ticket(1, 7), clients.ticket(1, 8)), (Some(theirs), None));
        assert_eq!(clients.leave(1), [theirs]);
        clients.answer(theirs, cancelled());
        assert!(answers.try_recv().is_err());
        assert_eq!(clients.ticket(2, 8), Some(other));
    }
}
