//! The machine's rules, by example and by chance.

use std::time::Duration;

use portreeve_state::{RefreshTokens, Saved, StoreError};
use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};

use super::machine::{Ask, Brought, Flight, Machine};
use super::save::{AfterSave, Save};
use crate::clock::{Clock, Moment};
use crate::reason::{Reason, ReasonKind};
use crate::token::{AccessToken, MinLife};

fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}

fn text(token: Option<&SecretString>) -> &str {
    token.map_or("", |token| token.expose_secret())
}

/// What chance may do.
#[derive(Debug, Clone, Copy)]
enum Step {
    Ask(MinLife),
    Tick,
    Pass(Duration),
    /// The wall clock jumps.
    Jump(i64),
    Answer(Answer),
    Save(Disk),
    Reject,
    SignIn,
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Tokens { life: u64, rotates: bool },
    Passing(Option<u64>),
    Lasting(ReasonKind),
}

#[derive(Debug, Clone, Copy)]
enum Disk {
    Works,
    Fails,
    /// It says that it failed, and has written all the same.
    Lies,
}

/// A machine between a provider and a store that both misbehave.
struct World {
    machine: Machine,
    now: Moment,
    store: Vec<String>,
    generation: i64,
    newest: String,
    issued: u32,
    flying: Option<Flight>,
    saving: Option<(Flight, Save)>,
    handed_out: Option<AccessToken>,
}

impl World {
    fn new() -> Self {
        Self {
            machine: Machine::new(500),
            now: Clock::manual().now(),
            store: vec!["RT0".into()],
            generation: 1,
            newest: "RT0".into(),
            issued: 0,
            flying: None,
            saving: None,
            handed_out: None,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Ask(life) => self.ask(life),
            Step::Tick => {
                if let Some(pair) = self.machine.save_is_due() {
                    self.departs(pair.0);
                    self.flying = None;
                    self.saving = Some(pair);
                }
                if let Some(flight) = self.machine.due(self.now) {
                    self.departs(flight);
                }
            }
            Step::Pass(span) => self.now = self.now.after(span),
            Step::Jump(millis) => self.now.wall += millis,
            Step::Answer(answer) => self.answer(answer),
            Step::Save(disk) => self.save(disk),
            Step::Reject => {
                if let Some(token) = self.handed_out.take() {
                    self.machine.reject(&token, self.now);
                }
            }
            Step::SignIn => {
                self.issued += 1;
                self.newest = format!("RT{}", self.issued);
                self.store.push(self.newest.clone());
                self.generation += 1;
                let token = secret(&self.newest);
                self.machine
                    .signed_in(self.generation, token, None, self.now);
                // The old flight is on its way still, and lands in the new world.
                if let Some(flight) = self.flying.take() {
                    let late = Self::brought(100, Some("LATE"));
                    assert!(self.machine.brought(late, flight, self.now).is_none());
                    self.machine.land(flight);
                }
                if let Some((flight, save)) = self.saving.take() {
                    let outcome = Ok(Saved::Outdated);
                    let after = self.machine.saved(&save, &outcome, flight);
                    assert_eq!(after, AfterSave::Nothing);
                    self.machine.land(flight);
                }
            }
        }
        self.check();
    }

    fn ask(&mut self, life: MinLife) {
        match self.machine.ask(life, self.now) {
            Ask::Token(token) => {
                assert!(token.left(self.now) >= life.needed(token.life()));
                assert!(!token.left(self.now).is_zero());
                self.handed_out = Some(token);
            }
            Ask::Wait => assert!(self.flying.is_some() || self.saving.is_some()),
            Ask::Start(flight) => self.departs(flight),
            Ask::Refused(_) => {}
        }
    }

    fn departs(&mut self, flight: Flight) {
        assert!(
            self.flying.is_none() && self.saving.is_none(),
            "two at once"
        );
        self.flying = Some(flight);
    }

    fn answer(&mut self, answer: Answer) {
        let Some(flight) = self.flying.take() else {
            return;
        };
        if self.machine.tokens().is_none() {
            let stored = self.read();
            self.machine.loaded(stored, flight);
        }
        let save = match answer {
            Answer::Tokens { life, rotates } => {
                self.issued += u32::from(rotates);
                let fresh = format!("RT{}", self.issued);
                if rotates {
                    self.newest.clone_from(&fresh);
                }
                let brought = Self::brought(life, rotates.then_some(&fresh));
                self.machine.brought(brought, flight, self.now)
            }
            Answer::Passing(after) => {
                let reason = Reason {
                    retry_after: after.map(Duration::from_secs),
                    ..Reason::new(ReasonKind::TryLater, "busy")
                };
                self.machine.failed(reason, flight, self.now)
            }
            Answer::Lasting(kind) => self
                .machine
                .failed(Reason::new(kind, "no"), flight, self.now),
        };
        match save {
            Some(save) => self.saving = Some((flight, save)),
            None => self.machine.land(flight),
        }
    }

    fn save(&mut self, disk: Disk) {
        let Some((flight, save)) = self.saving.take() else {
            return;
        };
        let outcome = self.write(&save, disk);
        match self.machine.saved(&save, &outcome, flight) {
            AfterSave::Nothing => self.machine.land(flight),
            AfterSave::Reload => {
                let stored = self.read();
                match self.machine.reloaded(stored, flight) {
                    Some(save) => self.saving = Some((flight, save)),
                    None => self.machine.land(flight),
                }
            }
        }
    }

    fn write(&mut self, save: &Save, disk: Disk) -> Result<Saved, StoreError> {
        let expected = match save {
            Save::Replace { generation, .. }
            | Save::Confirm { generation }
            | Save::Swap { generation }
            | Save::Trouble { generation } => *generation,
        };
        if matches!(disk, Disk::Fails) {
            return Err(StoreError::DiskFull);
        }
        if expected != self.generation {
            return Ok(Saved::Outdated);
        }
        if let Save::Replace { token, .. } = save {
            self.store.push(token.expose_secret().to_owned());
            self.generation += 1;
        }
        if matches!(disk, Disk::Lies) {
            return Err(StoreError::Busy);
        }
        Ok(Saved::Yes {
            generation: self.generation,
        })
    }

    fn read(&self) -> RefreshTokens {
        RefreshTokens {
            generation: self.generation,
            current: self.store.last().map(|token| secret(token)),
            previous: None,
        }
    }

    fn brought(life: u64, refresh: Option<&str>) -> Brought {
        Brought {
            access: secret("AT"),
            life: Duration::from_secs(life.max(1)),
            refresh: refresh.map(secret),
            with_previous: false,
        }
    }

    /// The newest refresh token is never lost, and when all is quiet it is on the disk.
    fn check(&self) {
        let in_memory = text(self.machine.tokens().and_then(|t| t.current.as_ref()));
        let on_disk = self.store.last().unwrap();
        assert!(
            in_memory == self.newest || *on_disk == self.newest,
            "{} is lost: memory {in_memory}, disk {on_disk}",
            self.newest
        );
        let quiet = self.flying.is_none()
            && self.saving.is_none()
            && self.machine.unsaved_words().is_none();
        if quiet {
            assert_eq!(*on_disk, self.newest, "nobody saves it");
        }
    }
}

fn steps() -> impl Strategy<Value = Step> {
    let life = prop_oneof![
        Just(MinLife::Half),
        (0u64..4000).prop_map(|s| MinLife::AtLeast(Duration::from_secs(s))),
    ];
    let kind = prop_oneof![
        Just(ReasonKind::NeedsSignIn),
        Just(ReasonKind::BlockedByPolicy),
        Just(ReasonKind::AdminMustFix),
    ];
    let answer = prop_oneof![
        4 => (0u64..6000, any::<bool>()).prop_map(|(life, rotates)| Answer::Tokens { life, rotates }),
        1 => proptest::option::of(0u64..200).prop_map(Answer::Passing),
        1 => kind.prop_map(Answer::Lasting),
    ];
    let disk = prop_oneof![3 => Just(Disk::Works), 1 => Just(Disk::Fails), 1 => Just(Disk::Lies)];
    prop_oneof![
        6 => life.prop_map(Step::Ask),
        2 => Just(Step::Tick),
        3 => (0u64..3000).prop_map(|s| Step::Pass(Duration::from_secs(s))),
        1 => (0u64..30).prop_map(|days| Step::Pass(Duration::from_hours(24 * days))),
        1 => (-7_200_000i64..7_200_000).prop_map(Step::Jump),
        6 => answer.prop_map(Step::Answer),
        6 => disk.prop_map(Step::Save),
        1 => Just(Step::Reject),
        1 => Just(Step::SignIn),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn whatever_happens_the_rules_hold(steps in proptest::collection::vec(steps(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
    }
}

fn started(world: &mut World, life: MinLife) {
    world.step(Step::Ask(life));
    assert!(world.flying.is_some());
}

fn tokens(life: u64, rotates: bool) -> Step {
    Step::Answer(Answer::Tokens { life, rotates })
}

#[test]
fn a_disk_that_lies_does_not_cost_a_token() {
    let mut world = World::new();
    started(&mut world, MinLife::Half);
    world.step(tokens(3600, true));
    world.step(Step::Save(Disk::Lies));
    assert!(world.machine.unsaved_words().is_some());
    world.step(Step::Pass(Duration::from_mins(31)));
    started(&mut world, MinLife::Half);
    world.step(tokens(3600, true));
    world.step(Step::Save(Disk::Works));
    world.step(Step::Save(Disk::Works));
    assert_eq!(world.store, ["RT0", "RT1", "RT2"]);
    assert!(world.machine.unsaved_words().is_none());
}

#[test]
fn the_previous_token_goes_when_the_current_one_has_worked() {
    let mut world = World::new();
    let previous = |world: &World| {
        let tokens = world.machine.tokens().unwrap();
        text(tokens.previous.as_ref()).to_owned()
    };
    started(&mut world, MinLife::Half);
    world.step(tokens(3600, true));
    world.step(Step::Save(Disk::Works));
    assert_eq!(previous(&world), "RT0");
    world.step(Step::Pass(Duration::from_mins(31)));
    started(&mut world, MinLife::Half);
    world.step(tokens(3600, false));
    assert_eq!(previous(&world), "");
}

#[test]
fn renewal_comes_before_a_login_has_to_wait() {
    let mut world = World::new();
    started(&mut world, MinLife::Half);
    world.step(tokens(3600, false));
    world.step(Step::Save(Disk::Works));
    world.step(Step::Tick);
    assert!(world.flying.is_none(), "nobody has used it yet");
    world.step(Step::Ask(MinLife::Half));
    world.step(Step::Pass(Duration::from_mins(24)));
    world.step(Step::Tick);
    assert!(world.flying.is_none(), "too early");
    world.step(Step::Pass(Duration::from_mins(2)));
    world.step(Step::Tick);
    assert!(world.flying.is_some());
    // Meanwhile the old one is good enough.
    world.handed_out = None;
    world.step(Step::Ask(MinLife::Half));
    assert!(world.handed_out.is_some());
}

#[test]
fn an_idle_grant_is_kept_alive_every_week() {
    let mut world = World::new();
    started(&mut world, MinLife::Half);
    world.step(tokens(3600, false));
    world.step(Step::Save(Disk::Works));
    world.step(Step::Pass(Duration::from_hours(6 * 24)));
    world.step(Step::Tick);
    assert!(world.flying.is_none());
    world.step(Step::Pass(Duration::from_hours(48)));
    world.step(Step::Tick);
    assert!(world.flying.is_some());
}

#[test]
fn what_a_person_must_mend_is_not_tried_again_by_itself() {
    let mut world = World::new();
    started(&mut world, MinLife::Half);
    world.step(Step::Answer(Answer::Lasting(ReasonKind::NeedsSignIn)));
    world.step(Step::Save(Disk::Works));
    for _ in 0..119 {
        world.step(Step::Pass(Duration::from_secs(1)));
        world.step(Step::Ask(MinLife::Half));
        assert!(world.flying.is_none());
    }
    world.step(Step::Pass(Duration::from_hours(24 * 30)));
    world.step(Step::Tick);
    assert!(world.flying.is_none());
    started(&mut world, MinLife::Half);
}

#[test]
fn a_ten_minute_token_serves_those_who_ask_for_ten_minutes() {
    let mut world = World::new();
    let life = MinLife::AtLeast(Duration::from_mins(10));
    started(&mut world, life);
    world.step(tokens(600, false));
    world.step(Step::Save(Disk::Works));
    world.step(Step::Ask(life));
    assert!(world.handed_out.is_some());
}
