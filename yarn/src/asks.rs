//! The ledger of asks: what an application master wants, what the ResourceManager was told of it, and what came of it.
//! Pure. It does the bookkeeping that `AMRMClient` does for Java.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    error::Error,
    ids::ContainerId,
    protocol::{AllocateRequest, AllocateResponse, AskRow},
    types::{Container, Resource},
};

#[cfg(test)]
mod tests;

/// A wish for one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Lower numbers are served first; the scheduler does not go past an ask that does not fit.
    pub priority: i32,
    /// Least size.
    pub capability: Resource,
}

/// What an answer brought. Iterates over the granted containers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    /// Containers that an open ask wanted, at most one for each id.
    pub granted: Vec<Container>,
    /// Containers that no ask wanted (any more). They are on the release list already.
    pub surplus: Vec<Container>,
}

impl IntoIterator for Grants {
    type Item = Container;
    type IntoIter = std::vec::IntoIter<Container>;

    fn into_iter(self) -> Self::IntoIter {
        self.granted.into_iter()
    }
}

/// What the ResourceManager has outstanding under one key, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    One(Resource),
    /// A grant and a change crossed, or a request failed half-way perhaps.
    Unsure,
}

type Key = (i64, i32);

/// What is wanted and what the ResourceManager was told of it.
///
/// The ResourceManager keeps an *absolute* number of outstanding containers for each (priority, id) and lowers it with
/// each container it grants. A number sent too late is therefore too high, and what is granted then is surplus. The
/// ledger sends a number only where the ResourceManager's differs or is not known for certain, and gives every surplus
/// container back.
///
/// A turn is [`request`](Self::request), the call, then [`answer`](Self::answer) or [`failed`](Self::failed). When
/// no answer came at all, the next `request` is the same as the last, as the ResourceManager demands.
///
/// The ResourceManager refuses a request as a whole for one ask above the largest node, and that may shrink at any
/// time. After such a refusal the ledger sends asks one by one, and keeps back the one that is refused alone.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    open: BTreeMap<i64, Ask>,
    told: BTreeMap<Key, Told>,
    /// Open asks that were refused, and are not sent until they are changed or asked for anew.
    kept_back: BTreeSet<i64>,
    /// A request was refused for one of its asks: they are sent one by one.
    careful: bool,
    /// Containers given back and not yet seen to have ended; whether the ResourceManager was told.
    released: BTreeMap<ContainerId, bool>,
    blacklist: BTreeSet<String>,
    blacklist_told: BTreeSet<String>,
    response_id: i32,
    in_flight: Option<AllocateRequest>,
}

impl Ledger {
    /// Wants one container under `id`, or changes the open ask of that id. After it is granted, the same id may be
    /// used again, which asks for another container.
    pub fn ask(&mut self, id: i64, ask: Ask) {
        if self.open.get(&id) != Some(&ask) {
            self.kept_back.remove(&id);
            self.open.insert(id, ask);
        }
    }

    /// Wants none under `id` (any more). A container that was granted meanwhile becomes surplus.
    pub fn cancel(&mut self, id: i64) {
        self.kept_back.remove(&id);
        self.open.remove(&id);
    }

    /// Gives a container back; said again to the ResourceManager if this is called again, until the container is
    /// seen to have ended. Only containers of the own application may be named: one other spoils the whole request.
    pub fn release(&mut self, id: ContainerId) {
        self.released.insert(id, false);
    }

    /// Wants nothing more placed on a host, named as the NodeManager registered it.
    pub fn blacklist(&mut self, host: String) {
        self.blacklist.insert(host);
    }

    /// Takes a host off the blacklist.
    pub fn unblacklist(&mut self, host: &str) {
        self.blacklist.remove(host);
    }

    /// The open asks by id.
    pub fn open(&self) -> &BTreeMap<i64, Ask> {
        &self.open
    }

    /// Whether any ask is open and not refused: a container may come with any answer.
    pub fn has_open(&self) -> bool {
        self.open.len() > self.kept_back.len()
    }

    /// Open asks that the ResourceManager refused: above its largest node, or for a label it does not have. Each is
    /// kept back until it is changed, or cancelled and asked again.
    pub fn refused_asks(&self) -> &BTreeSet<i64> {
        &self.kept_back
    }

    /// Whether a request is out without an answer.
    pub fn is_waiting(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Whether there is anything to say that no request has said yet: send one at once.
    pub fn has_unsent(&self) -> bool {
        let base = self.in_flight.as_ref();
        let said = |id: &ContainerId| base.is_some_and(|request| request.releases.contains(id));
        self.released.iter().any(|(id, told)| !told && !said(id))
            || self.rows().iter().any(|row| !base.is_some_and(|request| request.asks.contains(row)))
            || match base {
                Some(_) => false,
                None => self.blacklist != self.blacklist_told,
            }
    }

    /// The rows in which the ResourceManager's numbers must be set right.
    fn rows(&self) -> Vec<AskRow> {
        let row = |key: &Key, capability: &Resource, count| AskRow {
            id: key.0,
            priority: key.1,
            capability: capability.clone(),
            count,
        };
        let open = |key: &Key| self.open.get(&key.0).filter(|ask| ask.priority == key.1);
        let wanted = |key: &Key| open(key).filter(|_| !self.kept_back.contains(&key.0));
        let nothing = Resource::new(1, 1);
        let gone = self.told.iter().filter(|(key, told)| wanted(key).is_none() && **told != Told::Nothing);
        // Cancelled first: the ResourceManager goes through the rows in order.
        let mut rows: Vec<AskRow> = gone
            .map(|(key, told)| match told {
                Told::One(capability) => row(key, capability, 0),
                Told::Nothing | Told::Unsure => row(key, &nothing, 0),
            })
            .collect();
        let unsent = self.open.iter().filter(|(id, ask)| {
            let told = self.told.get(&(**id, ask.priority));
            !self.kept_back.contains(id)
                && !matches!(told, Some(Told::One(capability)) if *capability == ask.capability)
        });
        let most = if self.careful { 1 } else { usize::MAX };
        rows.extend(unsent.take(most).map(|(id, ask)| row(&(*id, ask.priority), &ask.capability, 1)));
        rows
    }

    /// The request to send now. As long as it is not answered, this is the same request again.
    pub fn request(&mut self) -> AllocateRequest {
        if let Some(request) = &self.in_flight {
            return request.clone();
        }
        let request = AllocateRequest {
            response_id: self.response_id,
            asks: self.rows(),
            releases: self.released.iter().filter(|(_, told)| !**told).map(|(id, _)| *id).collect(),
            blacklist_add: self.blacklist.difference(&self.blacklist_told).cloned().collect(),
            blacklist_remove: self.blacklist_told.difference(&self.blacklist).cloned().collect(),
            progress: 0.0,
        };
        self.in_flight = Some(request.clone());
        request
    }

    /// Takes the answer to the last request in. One that answers nothing is ignored. The caller looks itself at
    /// everything else in the answer, at [`AllocateResponse::is_resync`] first.
    pub fn answer(&mut self, response: &AllocateResponse) -> Grants {
        let Some(request) = self.in_flight.take() else { return Grants::default() };
        self.response_id = response.response_id;
        let crossed = self.acknowledge(request);
        let mut grants = Grants::default();
        for container in &response.allocated {
            let key = (container.allocation_request_id, container.priority);
            self.told.entry(key).and_modify(|told| {
                let sure = matches!(told, Told::One(_)) && !crossed.contains(&key);
                *told = if sure { Told::Nothing } else { Told::Unsure };
            });
            if self.released.contains_key(&container.id) {
                continue;
            }
            let ask = self.open.get(&container.allocation_request_id);
            if ask.is_some_and(|ask| container.resource.memory_mb >= ask.capability.memory_mb) {
                self.cancel(container.allocation_request_id);
                grants.granted.push(container.clone());
            } else {
                self.release(container.id);
                grants.surplus.push(container.clone());
            }
        }
        for status in &response.completed {
            self.released.remove(&status.id);
        }
        for container in &response.previous_containers {
            // Given back before, and still there: the ResourceManager had forgotten it.
            self.released.entry(container.id).and_modify(|told| *told = false);
        }
        self.told.retain(|_, told| *told != Told::Nothing);
        self.careful &= self.rows().iter().any(|row| row.count > 0);
        grants
    }

    /// Notes what the ResourceManager knows now. Returns the keys whose number was changed by the request while it
    /// may have been above zero: a container granted in the same answer may have lowered the old number or the new.
    fn acknowledge(&mut self, request: AllocateRequest) -> BTreeSet<Key> {
        let mut crossed = BTreeSet::new();
        for row in request.asks {
            let key = (row.id, row.priority);
            let told = if row.count > 0 { Told::One(row.capability) } else { Told::Nothing };
            if self.told.insert(key, told).is_some() {
                crossed.insert(key);
            }
        }
        for id in request.releases {
            self.released.entry(id).and_modify(|told| *told = true);
        }
        self.blacklist_told.extend(request.blacklist_add);
        for host in request.blacklist_remove {
            self.blacklist_told.remove(&host);
        }
        crossed
    }

    /// Takes in that the last request failed. Whatever the error, a later [`request`](Self::request) is right, at the
    /// earliest after a new registration when it was [`Error::NotRegistered`].
    pub fn failed(&mut self, error: &Error) {
        match error {
            Error::NotRegistered => self.resync(),
            Error::ResponseId { expected } => self.expect_response_id(*expected),
            Error::Refused { remote } if remote.class.ends_with("ResourceRequestException") => self.blame(),
            Error::Refused { .. } | Error::Rpc(hadoop_rpc::Error::Remote { .. }) => self.refused(),
            // No answer: the same request again.
            _ => {}
        }
    }

    /// The last request was answered with an exception: the ResourceManager has taken nothing of it or, at worst, a
    /// part, and its response id stands. Part of [`failed`](Self::failed), which also finds the ask that is at fault.
    pub fn refused(&mut self) {
        for row in self.in_flight.take().into_iter().flat_map(|request| request.asks) {
            self.told.insert((row.id, row.priority), Told::Unsure);
        }
    }

    /// The ResourceManager expects another response id: answers were lost for good. Goes on with that id, and says all
    /// numbers, releases and hosts again. Part of [`failed`](Self::failed).
    pub fn expect_response_id(&mut self, expected: i32) {
        self.refused();
        self.response_id = expected;
        self.told.values_mut().for_each(|told| *told = Told::Unsure);
        self.forget_told();
    }

    /// The last request was refused for one of its asks. Alone in it, that ask is known; else they go one by one.
    fn blame(&mut self) {
        let asks = self.in_flight.iter().flat_map(|request| &request.asks);
        let sent: Vec<AskRow> = asks.filter(|row| row.count > 0).cloned().collect();
        self.refused();
        self.careful = true;
        if let [row] = sent.as_slice()
            && self.open.get(&row.id).is_some_and(|ask| ask.capability == row.capability)
        {
            self.kept_back.insert(row.id);
        }
    }

    /// The ResourceManager has forgotten this master. Once registered again, the next request begins with response id
    /// 0 and says everything: open asks, containers given back that were not seen to end, the blacklist.
    pub fn resync(&mut self) {
        self.in_flight = None;
        self.response_id = 0;
        self.told.clear();
        self.kept_back.clear();
        self.forget_told();
    }

    fn forget_told(&mut self) {
        self.released.values_mut().for_each(|told| *told = false);
        self.blacklist_told.clear();
    }
}
