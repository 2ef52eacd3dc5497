//! When the next request starts, and which one it is.

use std::cmp::Reverse;
use std::time::Duration;

use super::{Because, Command, Key, PROVEN_AFTER, Protocol};
use crate::delivery::brakes::{self, Budget};
use crate::delivery::isolation::{self, Parts, Role};
use crate::delivery::open::Piece;

impl Protocol {
    /// When the next request may start, if only time is in the way.
    pub(super) fn opening(&self) -> Option<Duration> {
        let limit = if self.is_proven() && self.suspicion.is_none() && self.breaker.open_until().is_none() {
            self.concurrency.limit()
        } else {
            1
        };
        if self.in_flight.len() >= limit {
            return None;
        }
        let first = match &self.suspicion {
            Some(suspicion) => suspicion.probe_at,
            None => self.first()?.0,
        };
        let paused = self.paused.map_or(Duration::ZERO, |(end, _)| end);
        Some(first.max(paused).max(self.breaker.open_until().unwrap_or_default()).max(self.pace.ready_at()))
    }

    /// The part that goes first. As long as nothing is proven, what was begun is brought to an end before anything new.
    pub(super) fn first(&self) -> Option<Key> {
        let begun = if self.is_proven() { None } else { self.queue.iter().find(|(_, piece)| piece.repeat) };
        begun.or_else(|| self.queue.first_key_value()).map(|(key, _)| *key)
    }

    /// Whether URL, token and envelope are known to be right.
    fn is_proven(&self) -> bool {
        self.definite >= PROVEN_AFTER
    }

    /// The part that goes now, if one may.
    pub(super) fn next(&mut self, now: Duration) -> Option<Key> {
        while self.stop.is_none() && self.opening()? <= now {
            let key = match &self.suspicion {
                Some(suspicion) => return Some(suspicion.key),
                None => self.first()?,
            };
            let mut piece = self.queue.remove(&key)?;
            if piece.events.len() > self.size_limit && matches!(piece.role, Role::Whole | Role::Part) {
                // It was cut before the limit was known.
                for (events, role) in isolation::halves(&piece.events, &piece.role) {
                    let half = Piece { repeat: piece.repeat, ..piece.cut(events, role) };
                    self.queue(Duration::ZERO, half);
                }
                if let Some(open) = self.batches.get_mut(&piece.batch) {
                    open.pending -= 1;
                }
                continue;
            }
            match self.budget.pay(piece.price, now) {
                Ok(()) => {
                    piece.paid = std::mem::take(&mut piece.price);
                    self.queue.insert(key, piece);
                    return Some(key);
                }
                Err(place) => {
                    (piece.paid, piece.price) = (0, 0);
                    self.queue.insert((place, key.1, key.2), piece);
                }
            }
        }
        None
    }

    pub(super) fn send(&mut self, now: Duration, key: Key, commands: &mut Vec<Command>) {
        let Some(piece) = self.queue.remove(&key) else { return };
        self.sequence += 1;
        let request = self.sequence;
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.probe = Some(request);
            commands.push(Command::RenewToken);
        }
        self.pace.take(now);
        self.counts.requests += 1;
        self.counts.retries += u64::from(piece.repeat);
        commands.push(Command::Send { request, batch: piece.batch, events: piece.events.clone() });
        self.in_flight.insert(request, piece);
    }

    pub(super) fn queue(&mut self, ready: Duration, piece: Piece) -> Option<Key> {
        if self.stop.is_some() {
            return None;
        }
        self.batches.get_mut(&piece.batch)?.pending += 1;
        self.sequence += 1;
        let key = (ready, piece.batch, Reverse(self.sequence));
        self.queue.insert(key, piece);
        Some(key)
    }

    /// Queues parts of what `piece` was cut to, without the events that are settled: none is sent again after its end.
    pub(super) fn queue_parts(&mut self, piece: &Piece, parts: Parts) {
        for (events, role) in parts {
            let Some(open) = self.batches.get(&piece.batch) else { return };
            for rest in open.unsettled(&events) {
                let role = if rest == events { role.clone() } else { Role::Part };
                self.queue(Duration::ZERO, piece.cut(rest, role));
            }
        }
    }

    /// Queues the same part for another attempt after a failure.
    pub(super) fn again(&mut self, now: Duration, random: u64, mut piece: Piece) -> Option<Key> {
        piece.failures = piece.failures.saturating_add(1);
        (piece.repeat, piece.price) = (true, Budget::FAULT);
        self.queue(now + brakes::backoff(piece.failures, random), piece)
    }

    /// Queues the same part for when the traffic goes on.
    pub(super) fn later(&mut self, mut piece: Piece, price: u32) -> Option<Key> {
        (piece.repeat, piece.price) = (true, price);
        self.queue(Duration::ZERO, piece)
    }

    pub(super) fn pause(&mut self, now: Duration, until: Duration, because: Because) {
        let before = self.paused.map_or(now, |(end, _)| end.max(now));
        if until > before {
            self.paused = Some((until, because));
            if because == Because::Throttled {
                self.counts.throttled += until.saturating_sub(before);
            }
        }
    }
}
