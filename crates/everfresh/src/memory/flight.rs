//! Single flight: of those who ask for a key that is not there, one computes and the others wait.
//!
//! A flight is in the map from its first caller until it has its value, or nobody is left. One caller leads it at a time;
//! when a leader fails, panics or is cancelled, the first waiter that wakes leads on. Threads and tasks wait in one queue.
//! Locks are taken in the order map, flight, and neither is held while anybody computes.
//!
//! A caller that leads a flight and asks for its key again, deeper in the same computation, would wait for itself. Each
//! thread knows the flights that are being led on it at this moment, a task's only while the task is polled; so a second
//! task on the same thread is another caller. What would block the very thread that a leading task needs does not wait
//! either.

use super::{
    entry::KeyHash,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
        thread::{self, Thread},
        thread_local,
    },
};
use hashbrown::HashTable;
use std::{
    cell::RefCell,
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

/// How long a thread that may be called away sleeps at most while it waits.
const NAP: Duration = Duration::from_millis(50);

thread_local! {
    /// The flights that are led on this thread at this moment, by their numbers.
    static LED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    /// This thread's number: not zero, and no other thread ever has it, not even when this one has ended.
    static HERE: usize = NEXT.fetch_add(1, Ordering::Relaxed);
}

/// Numbers of threads and of flights.
static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);

fn here() -> usize {
    HERE.with(|here| *here)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The flights of a shard.
pub(crate) struct Flights<K, V> {
    map: Mutex<Map<K, V>>,
}

type Map<K, V> = HashTable<Arc<Flight<K, V>>>;

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self { map: Mutex::default() }
    }
}

pub(crate) struct Flight<K, V> {
    /// No other flight ever has it.
    number: usize,
    key: K,
    hash: KeyHash,
    state: Mutex<State<V>>,
    /// The thread that last polled the task that leads; 0 if it was not polled, or a thread leads.
    polled_on: AtomicUsize,
}

struct State<V> {
    led: bool,
    /// The leader changes the value that there is, and has the last word on what it does to it meanwhile.
    updates: bool,
    /// What is computed may be out of date: somebody said so meanwhile.
    outdated: bool,
    value: Option<V>,
    /// How many wait, or are about to.
    joined: usize,
    waiters: VecDeque<Arc<Waiter>>,
}

enum Waiter {
    Thread(Thread),
    Task(Mutex<Waker>),
}

impl Waiter {
    fn wake(&self) {
        match self {
            Self::Thread(thread) => thread.unpark(),
            Self::Task(waker) => {
                // An executor may poll at once.
                let waker = lock(waker).clone();
                waker.wake();
            }
        }
    }
}

/// How a caller stands to the flight of its key.
pub(crate) enum Joined<'a, K, V> {
    /// It computes.
    Lead(Lead<'a, K, V>),
    /// Another caller computes.
    Wait(Wait<'a, K, V>),
    /// It leads already, further up.
    Again,
}

impl<K: Eq, V: Clone> Flights<K, V> {
    /// Joins the flight of a key, or begins one; `None` if `look` finds, while no flight can begin or end, that there is a
    /// value by now.
    pub(crate) fn join<T>(
        &self,
        hash: KeyHash,
        is_key: impl Fn(&K) -> bool,
        own: impl FnOnce() -> K,
        look: impl FnOnce() -> Option<T>,
    ) -> Result<Joined<'_, K, V>, T> {
        let mut map = lock(&self.map);
        if let Some(flight) = map.find(hash.get(), |flight| flight.hash == hash && is_key(&flight.key)) {
            if LED.with(|led| led.borrow().contains(&flight.number)) {
                return Ok(Joined::Again);
            }
            let flight = Arc::clone(flight);
            lock(&flight.state).joined += 1;
            return Ok(Joined::Wait(Wait { flights: self, flight, queued: None }));
        }
        if let Some(found) = look() {
            return Err(found);
        }
        Ok(Joined::Lead(self.add(&mut map, hash, own())))
    }

    /// Begins the flight of a key, unless there is one, or it is not `needed`, which is asked while none can begin or end.
    pub(crate) fn begin(
        &self,
        hash: KeyHash,
        is_key: impl Fn(&K) -> bool,
        own: impl FnOnce() -> K,
        needed: impl FnOnce() -> bool,
    ) -> Option<Lead<'_, K, V>> {
        let mut map = lock(&self.map);
        let flies = map.find(hash.get(), |flight| flight.hash == hash && is_key(&flight.key)).is_some();
        (!flies && needed()).then(|| self.add(&mut map, hash, own()))
    }

    /// Begins the flight of a key in place of the one that there may be, which is out of date from now on.
    pub(crate) fn begin_anew(&self, hash: KeyHash, key: K) -> Lead<'_, K, V> {
        let mut map = self.outdate(|other, own| other == hash && *own == key);
        self.add(&mut map, hash, key)
    }
}

impl<K, V> Flights<K, V> {
    fn add(&self, map: &mut Map<K, V>, hash: KeyHash, key: K) -> Lead<'_, K, V> {
        let state =
            State { led: true, updates: false, outdated: false, value: None, joined: 0, waiters: VecDeque::new() };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let flight = Flight { number, key, hash, state: Mutex::new(state), polled_on: AtomicUsize::new(0) };
        let flight = Arc::new(flight);
        map.insert_unique(hash.get(), Arc::clone(&flight), |flight| flight.hash.get());
        self.resume(flight)
    }

    /// The lead of a flight that another thread [hands over](Lead::hand_over).
    pub(crate) fn resume(&self, flight: Arc<Flight<K, V>>) -> Lead<'_, K, V> {
        Lead { flights: self, flight, landed: false }
    }

    /// What is being computed now for keys for which `which` holds is not to be kept, and nobody joins it any more. No
    /// flight begins or ends until the guard is dropped, so that what changes an entry meanwhile comes before or after an
    /// update of it, not in between.
    pub(super) fn outdate(&self, which: impl Fn(KeyHash, &K) -> bool) -> MutexGuard<'_, Map<K, V>> {
        let mut map = lock(&self.map);
        map.retain(|flight| {
            if !which(flight.hash, &flight.key) {
                return true;
            }
            let mut state = lock(&flight.state);
            if state.updates && LED.with(|led| led.borrow().contains(&flight.number)) {
                return true;
            }
            state.outdated = true;
            false
        });
        map
    }

    /// No flight begins or ends until the guard is dropped; `None` if there is one of this key.
    pub(super) fn close_unless_flying(
        &self,
        hash: KeyHash,
        is_key: impl Fn(&K) -> bool,
    ) -> Option<MutexGuard<'_, Map<K, V>>> {
        let map = lock(&self.map);
        let flies = map.find(hash.get(), |flight| flight.hash == hash && is_key(&flight.key)).is_some();
        (!flies).then_some(map)
    }

    /// Somebody leaves; if nobody leads now, all who wait are woken, and the first to look leads. All, since one of them
    /// may keep the others' thread from going on.
    fn leave(&self, flight: &Arc<Flight<K, V>>, leave: impl FnOnce(&mut State<V>)) {
        let mut map = lock(&self.map);
        let mut state = lock(&flight.state);
        leave(&mut state);
        if state.led || state.value.is_some() {
            return;
        }
        let (joined, waiters) = (state.joined, state.waiters.clone());
        drop(state);
        if joined == 0 {
            Self::remove(&mut map, flight);
        }
        drop(map);
        waiters.iter().for_each(|waiter| waiter.wake());
    }

    fn remove(map: &mut Map<K, V>, flight: &Arc<Flight<K, V>>) {
        if let Ok(found) = map.find_entry(flight.hash.get(), |other| Arc::ptr_eq(other, flight)) {
            found.remove();
        }
    }
}

/// The right to compute. Dropped before it has landed, it goes to one of those who wait.
pub(crate) struct Lead<'a, K, V> {
    flights: &'a Flights<K, V>,
    flight: Arc<Flight<K, V>>,
    landed: bool,
}

impl<K, V> Lead<'_, K, V> {
    /// Computes on this thread.
    pub(crate) fn run<T>(&self, compute: impl FnOnce() -> T) -> T {
        let _led = Leading::new(&self.flight);
        compute()
    }

    /// Computes as part of a task.
    pub(crate) async fn run_async<T>(&self, compute: impl Future<Output = T>) -> T {
        let mut compute = std::pin::pin!(compute);
        std::future::poll_fn(|context| {
            self.flight.polled_on.store(here(), Ordering::Relaxed);
            let _led = Leading::new(&self.flight);
            compute.as_mut().poll(context)
        })
        .await
    }

    /// What the leader does meanwhile, on this thread, does not make it out of date.
    pub(super) fn updates(&self) {
        lock(&self.flight.state).updates = true;
    }

    pub(super) fn key(&self) -> &K {
        &self.flight.key
    }

    /// Whether what is computed is out of date by now.
    pub(super) fn is_outdated(&self) -> bool {
        lock(&self.flight.state).outdated
    }

    /// What another thread needs to [lead on](Flights::resume).
    pub(crate) fn flight(&self) -> Arc<Flight<K, V>> {
        Arc::clone(&self.flight)
    }

    /// Another thread leads on.
    pub(crate) fn hand_over(mut self) {
        self.landed = true;
    }

    /// Hands the value to all who wait. `keep` stores it, unless it is out of date by now; it runs before the flight ends,
    /// so that whoever comes next finds either.
    pub(crate) fn land(self, value: impl FnOnce() -> V, keep: impl FnOnce()) {
        let mut map = lock(&self.flights.map);
        if !self.is_outdated() {
            keep();
            Flights::remove(&mut map, &self.flight);
        }
        drop(map);
        self.end(value);
    }

    /// The same, unless it is out of date by now: then nothing is kept, and the lead goes to one of those who wait. It goes
    /// there too if there is no value to hand to them.
    pub(super) fn land_if_current(self, value: Option<V>, keep: impl FnOnce()) -> bool {
        let flights = self.flights;
        let mut map = lock(&flights.map);
        if self.is_outdated() {
            return false;
        }
        keep();
        if let Some(value) = value {
            Flights::remove(&mut map, &self.flight);
            drop(map);
            self.end(|| value);
        }
        true
    }

    /// Nobody joins any more.
    fn end(mut self, value: impl FnOnce() -> V) {
        if Arc::strong_count(&self.flight) > 1 {
            let value = value();
            lock(&self.flight.state).value = Some(value);
        }
        self.landed = true;
        let waiters = std::mem::take(&mut lock(&self.flight.state).waiters);
        waiters.iter().for_each(|waiter| waiter.wake());
    }
}

impl<K, V> Drop for Lead<'_, K, V> {
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        self.flights.leave(&self.flight, |state| state.led = false);
    }
}

/// Marks a flight as led on this thread.
struct Leading;

impl Leading {
    fn new<K, V>(flight: &Arc<Flight<K, V>>) -> Self {
        LED.with(|led| led.borrow_mut().push(flight.number));
        Self
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        LED.with(|led| led.borrow_mut().pop());
    }
}

/// The flights that are led on a thread, for other threads that work for the same computations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Led(Vec<usize>);

impl Led {
    pub(crate) fn current() -> Self {
        Self(LED.with(|led| led.borrow().clone()))
    }

    /// Marks them as led on this thread too, until what is returned is dropped.
    pub(crate) fn enter(&self) -> impl Drop + use<> {
        LED.with(|led| led.borrow_mut().extend(&self.0));
        AlsoLed(self.0.len())
    }
}

struct AlsoLed(usize);

impl Drop for AlsoLed {
    fn drop(&mut self) {
        LED.with(|led| {
            let mut led = led.borrow_mut();
            let before = led.len() - self.0;
            led.truncate(before);
        });
    }
}

/// A place among those who wait.
pub(crate) struct Wait<'a, K, V> {
    flights: &'a Flights<K, V>,
    flight: Arc<Flight<K, V>>,
    queued: Option<Arc<Waiter>>,
}

/// How waiting ended.
pub(crate) enum Waited<'a, K, V> {
    Value(V),
    /// The leader gave up, so this caller computes.
    Lead(Lead<'a, K, V>),
    /// Waiting here would keep the leader from going on, or the caller was called away.
    Blocked,
}

impl<'a, K, V: Clone> Wait<'a, K, V> {
    /// Blocks the thread until there is a value or the lead.
    pub(crate) fn wait(self) -> Waited<'a, K, V> {
        self.wait_while(None)
    }

    /// The same, as long as `goes_on`, which is asked now and then.
    pub(crate) fn wait_while(mut self, goes_on: Option<&dyn Fn() -> bool>) -> Waited<'a, K, V> {
        loop {
            if let Some(waited) = self.look(|| Waiter::Thread(thread::current())) {
                return waited;
            }
            if self.flight.polled_on.load(Ordering::Relaxed) == here() {
                return Waited::Blocked;
            }
            let Some(goes_on) = goes_on else {
                thread::park();
                continue;
            };
            thread::park_timeout(NAP);
            if !goes_on() {
                return Waited::Blocked;
            }
        }
    }

    /// Looks whether there is a value or the lead; if not, makes sure that the waiter is woken then.
    fn look(&mut self, waiter: impl FnOnce() -> Waiter) -> Option<Waited<'a, K, V>> {
        let mut state = lock(&self.flight.state);
        if let Some(value) = &state.value {
            let value = value.clone();
            return Some(Waited::Value(value));
        }
        if !state.led {
            state.led = true;
            // Before anybody else can look: the task that led before is not waited for any more.
            self.flight.polled_on.store(0, Ordering::Relaxed);
            if let Some(queued) = self.queued.take() {
                state.waiters.retain(|other| !Arc::ptr_eq(other, &queued));
            }
            drop(state);
            return Some(Waited::Lead(Lead { flights: self.flights, flight: Arc::clone(&self.flight), landed: false }));
        }
        if self.queued.is_none() {
            let waiter = Arc::new(waiter());
            state.waiters.push_back(Arc::clone(&waiter));
            self.queued = Some(waiter);
        }
        None
    }
}

impl<'a, K, V: Clone> Future for Wait<'a, K, V> {
    type Output = Waited<'a, K, V>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(Waiter::Task(waker)) = self.queued.as_deref() {
            lock(waker).clone_from(context.waker());
        }
        match self.look(|| Waiter::Task(Mutex::new(context.waker().clone()))) {
            Some(waited) => Poll::Ready(waited),
            None => Poll::Pending,
        }
    }
}

impl<K, V> Drop for Wait<'_, K, V> {
    fn drop(&mut self) {
        let queued = self.queued.take();
        self.flights.leave(&self.flight, |state| {
            state.joined -= 1;
            if let Some(queued) = queued {
                state.waiters.retain(|other| !Arc::ptr_eq(other, &queued));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(flights: &Flights<u32, u32>) -> Joined<'_, u32, u32> {
        match flights.join(KeyHash::new(7), |key| *key == 7, || 7, || None::<()>) {
            Ok(joined) => joined,
            Err(()) => unreachable!("nothing is found"),
        }
    }

    #[test]
    fn who_is_about_to_wait_keeps_the_flight_when_the_leader_gives_up() {
        let flights = Flights::default();
        let Joined::Lead(lead) = join(&flights) else { panic!("the first leads") };
        let Joined::Wait(first) = join(&flights) else { panic!("the second waits") };
        drop(lead);
        let Joined::Wait(second) = join(&flights) else { panic!("there is a flight still") };
        let Waited::Lead(lead) = first.wait() else { panic!("who looks first leads") };
        lead.land(|| 5, || {});
        assert!(matches!(second.wait(), Waited::Value(5)));
        assert!(matches!(join(&flights), Joined::Lead(_)), "the flight has ended");
        assert!(lock(&flights.map).is_empty());
    }
}
