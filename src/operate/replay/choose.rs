//! Which accounts a replay takes, and which it leaves and why.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::{DEFAULT_STATUSES, Selection, Terms};
use crate::accounts::{Accounts, Ineligible, objection};
use crate::operate::OperateError;
use crate::store::{Candidate, DefinitionHash, Replay, StoreError};

/// Rows of one look.
const PAGE: u32 = 1000;

/// The accounts that a selection leads to.
#[derive(Debug, Default)]
pub struct Chosen {
    /// Those that may run again, longest failed first, no more than one above the cap.
    pub eligible: Vec<Candidate>,
    /// How many may, whatever the cap.
    pub count: u64,
    /// How many may not, by why.
    pub ineligible: BTreeMap<Ineligible, u64>,
    /// Those, with their versions; no more than the cap.
    pub left: Vec<(Uuid, i64, Ineligible)>,
    /// The definitions that they would get.
    pub definitions: BTreeSet<DefinitionHash>,
}

/// Looks at accounts one by one.
struct Chooser<'a> {
    accounts: &'a Accounts,
    terms: Terms,
    installs: HashMap<Uuid, Result<DefinitionHash, Ineligible>>,
    seen: HashSet<Uuid>,
    chosen: Chosen,
}

/// Chooses.
///
/// # Errors
/// When the store does not answer, or more accounts may run again than the cap allows.
pub async fn choose(accounts: &Accounts, selection: &Selection, terms: Terms) -> Result<Chosen, OperateError> {
    let mut chooser = Chooser::new(accounts, terms);
    if selection.accounts.is_empty() {
        chooser.search(selection).await?;
    } else {
        chooser.name(&selection.accounts).await?;
    }
    chooser.end()
}

/// Looks again at the accounts of a plan.
///
/// # Errors
/// When the store does not answer.
pub async fn choose_planned(accounts: &Accounts, plan: &Replay) -> Result<Chosen, OperateError> {
    let mut chooser = Chooser::new(accounts, Terms { cap: usize::MAX, unknown: plan.unknown });
    let mut place = 0;
    loop {
        let items = accounts.store.replay_items(plan.id, place, PAGE).await?;
        let Some(last) = items.last() else { break };
        place = last.place + 1;
        let ids: Vec<Uuid> = items.iter().map(|item| item.account).collect();
        let found = chooser.read(&ids).await?;
        for item in items {
            match found.get(&item.account) {
                Some(candidate) if candidate.sequence != item.expected_sequence => {
                    chooser.leave(candidate.id, candidate.sequence, Ineligible::Changed);
                }
                Some(candidate) => chooser.look_at(candidate.clone()).await?,
                None => chooser.leave(item.account, 0, Ineligible::Absent),
            }
        }
    }
    chooser.end()
}

impl<'a> Chooser<'a> {
    fn new(accounts: &'a Accounts, terms: Terms) -> Self {
        Self { accounts, terms, installs: HashMap::new(), seen: HashSet::new(), chosen: Chosen::default() }
    }

    /// Reads all failed accounts in the order of their failing, page by page: what fits no index is compared here.
    async fn search(&mut self, selection: &Selection) -> Result<(), StoreError> {
        let statuses = if selection.statuses.is_empty() { &DEFAULT_STATUSES[..] } else { &selection.statuses };
        for status in statuses {
            let mut after = (selection.since.as_ref().map_or(0, |since| since.from_ms), Uuid::nil());
            loop {
                let page = self.accounts.store.failed_accounts(*status, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = (last.updated_at_ms, last.id);
                for candidate in page.into_iter().filter(|candidate| matches(selection, candidate)) {
                    self.look_at(candidate).await?;
                }
            }
        }
        Ok(())
    }

    async fn name(&mut self, ids: &[Uuid]) -> Result<(), StoreError> {
        for ids in ids.chunks(PAGE as usize) {
            let mut found = self.read(ids).await?;
            for id in ids {
                match found.remove(id) {
                    Some(candidate) => self.look_at(candidate).await?,
                    // It may be named twice.
                    None if !self.seen.insert(*id) => {}
                    None => self.leave(*id, 0, Ineligible::Absent),
                }
            }
        }
        Ok(())
    }

    async fn read(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Candidate>, StoreError> {
        let found = self.accounts.store.candidates(ids).await?;
        Ok(found.into_iter().map(|candidate| (candidate.id, candidate)).collect())
    }

    async fn look_at(&mut self, candidate: Candidate) -> Result<(), StoreError> {
        // One that fails while it is looked for may come by twice.
        if !self.seen.insert(candidate.id) {
            return Ok(());
        }
        if let Some(objection) = objection(&candidate, self.terms.unknown) {
            self.leave(candidate.id, candidate.sequence, objection);
            return Ok(());
        }
        match self.definition_for(&candidate).await? {
            Ok(hash) => {
                self.chosen.definitions.insert(hash);
                self.chosen.count += 1;
                if self.chosen.eligible.len() <= self.terms.cap {
                    self.chosen.eligible.push(candidate);
                }
            }
            Err(ineligible) => self.leave(candidate.id, candidate.sequence, ineligible),
        }
        Ok(())
    }

    /// What the account would run with. Those without an override of their own share their install's.
    async fn definition_for(
        &mut self,
        candidate: &Candidate,
    ) -> Result<Result<DefinitionHash, Ineligible>, StoreError> {
        if candidate.has_override {
            let account = self.accounts.store.account(candidate.id).await?;
            return match account {
                Some(account) => self.accounts.definition_for(&account).await,
                None => Ok(Err(Ineligible::Absent)),
            };
        }
        if let Some(known) = self.installs.get(&candidate.install) {
            return Ok(*known);
        }
        let definition = self.accounts.definition_of(candidate.install).await?;
        self.installs.insert(candidate.install, definition);
        Ok(definition)
    }

    fn leave(&mut self, id: Uuid, sequence: i64, why: Ineligible) {
        if self.chosen.left.len() < self.terms.cap {
            self.chosen.left.push((id, sequence, why));
        }
        *self.chosen.ineligible.entry(why).or_default() += 1;
    }

    fn end(mut self) -> Result<Chosen, OperateError> {
        let (count, cap) = (self.chosen.count, self.terms.cap);
        if count > cap as u64 {
            return Err(OperateError::TooMany { count, what: "failed accounts", cap });
        }
        self.chosen.eligible.sort_by_key(|candidate| (candidate.updated_at_ms, candidate.id));
        Ok(self.chosen)
    }
}

fn matches(selection: &Selection, candidate: &Candidate) -> bool {
    selection.reason.is_none_or(|reason| candidate.reason == Some(reason))
        && selection.integration.as_ref().is_none_or(|name| *name == candidate.integration_name)
        && selection.tenant.as_ref().is_none_or(|tenant| *tenant == candidate.tenant_id)
        && selection.environment_integration.is_none_or(|install| install == candidate.install)
}
