//! One set of checks that every store must pass.
//!
//! On SQLite always, in a file of the test's own. On PostgreSQL in a fresh database of the test's own, made on the server
//! that `TIDEWAITER_TEST_POSTGRES` names (the URL of a user who may create databases); without it that half is skipped,
//! loudly, or fails where `CI` is set or `TIDEWAITER_REQUIRE_POSTGRES=1`.

mod accept;
mod claim;
mod commit;
pub mod databases;
mod definitions;
mod enqueue;
mod gates;
mod operators;
mod outage;
mod outbox;
mod patch;
mod postgres_only;
mod reads;
pub mod rows;
mod takeover;

/// Makes a test of each check for each store.
macro_rules! on_both {
    ($($topic:ident { $($check:ident)+ })+) => {
        mod sqlite {
            $(mod $topic { $(
                #[tokio::test]
                async fn $check() {
                    super::super::databases::on_sqlite(async |database| super::super::$topic::$check(&database).await).await;
                }
            )+ })+
        }
        mod postgres {
            $(mod $topic { $(
                #[tokio::test]
                async fn $check() {
                    super::super::databases::on_postgres(async |database| super::super::$topic::$check(&database).await)
                        .await;
                }
            )+ })+
        }
    };
}

on_both! {
    accept {
        a_new_message_makes_an_account_with_all_that_belongs_to_it
        the_same_message_again_is_a_duplicate_and_changes_nothing
        the_same_message_id_with_another_body_is_a_conflict
        the_same_message_id_in_another_environment_is_another_message
        repeating_the_very_same_write_is_answered_as_created
        of_two_processes_with_the_same_messages_exactly_one_creates_each
        duplicates_in_one_burst_make_one_account
        a_refused_datum_fails_alone
        texts_and_numbers_come_back_unchanged
        messages_without_an_id_never_collide
    }
    claim {
        runs_come_in_fair_order_and_only_of_the_asked_regions
        a_claim_takes_no_more_than_its_limit
        each_claim_raises_the_fence
        two_claimers_never_share_a_run
        a_run_that_was_accepted_as_claimed_is_not_claimable
        a_waiting_run_becomes_due
        a_claim_tells_when_the_next_run_is_due
        a_claim_brings_account_secrets_and_progress
    }
    takeover {
        workers_are_ranked_by_id
        a_dead_workers_runs_are_requeued_and_its_commits_lost
        a_live_workers_runs_are_left_alone
        runs_whose_owner_is_unknown_are_requeued
        own_runs_that_the_worker_does_not_know_of_are_requeued
        a_run_just_claimed_is_not_taken_for_a_lost_one
        a_retired_worker_gives_its_runs_back
        a_takeover_amid_commits_leaves_each_run_with_exactly_one_outcome
    }
    commit {
        finishing_moves_run_account_and_event_together
        saved_progress_survives_and_the_run_stays_held
        a_released_run_is_claimable_at_once_and_keeps_its_progress
        a_moved_account_refuses_the_commit_whole
        moved_secrets_refuse_the_commit_whole
        a_commit_under_an_old_fence_changes_nothing
        a_commit_of_an_unknown_run_is_a_lost_fence
        repeating_a_commit_is_answered_as_done
        a_later_commit_is_not_taken_for_a_repetition
        a_refresh_intent_comes_back_with_its_age
        new_secrets_raise_their_version
        a_deleted_account_leaves_a_tombstone
        commits_in_one_burst_each_have_their_own_outcome
    }
    enqueue {
        a_replay_makes_a_run_with_its_transition
        what_a_finished_run_left_is_there_until_a_run_takes_it_over
        an_account_has_one_unfinished_run
        a_moved_account_refuses_a_replay
        repeating_an_enqueue_is_answered_as_done
        an_enqueue_amid_the_finish_of_the_run_before_gets_a_clear_answer
        a_run_beside_the_status_leaves_the_account_as_it_is_and_names_its_action
        a_run_beside_the_status_waits_for_no_other_and_needs_the_account_as_it_was
        a_run_beside_the_status_amid_the_finish_of_the_run_before_gets_a_clear_answer
    }
    patch {
        a_patch_changes_account_secrets_override_and_event_together
        what_a_patch_leaves_out_stays
        an_override_is_replaced_and_removed
        overrides_are_paged_by_install
        a_moved_account_refuses_a_patch_whole
        moved_secrets_refuse_a_patch_whole
        a_refresh_that_began_meanwhile_refuses_new_secrets
        repeating_a_patch_is_answered_as_done
        a_run_under_way_finds_the_account_moved_by_a_patch
        of_patches_and_commits_at_once_each_is_whole
    }
    gates {
        a_closed_gate_is_seen_by_every_process_until_its_time_is_over
        a_gate_is_closed_for_longer_and_never_for_shorter
        another_process_hears_of_a_gate
        a_run_put_back_rests_and_its_time_begins_with_its_next_claim
        a_run_put_back_amid_its_work_keeps_its_progress_and_its_time
    }
    outbox {
        only_the_lowest_event_of_an_account_is_a_head
        the_pass_that_takes_an_event_out_answers_with_the_next_one_of_its_account
        a_pass_that_looks_for_nothing_still_takes_out
        heads_are_bounded_and_each_shards_oldest
        accounts_that_are_left_out_hide_nobody_behind_them
        taking_out_twice_is_harmless
        the_same_refused_request_is_kept_once_and_counted
        another_process_hears_of_a_write
    }
    operators {
        failed_accounts_come_by_status_in_the_order_of_failing
        candidates_are_told_as_they_are_and_strangers_left_out
        a_replay_is_kept_with_its_accounts_once_a_key
        a_plan_is_started_under_one_key
        an_account_of_a_replay_is_refused_only_while_its_run_is_not_there
        quarantined_requests_are_filtered_and_paged
        a_held_request_is_settled_once
        a_dropped_request_loses_its_body_and_is_kept_anew_when_it_comes_again
        a_resubmitted_request_that_comes_again_is_only_counted
    }
    definitions {
        applying_twice_changes_nothing_the_second_time
        a_changed_integration_gets_a_new_version
        every_version_of_an_integration_stays_readable
        definitions_are_applied_only_over_the_versions_that_they_were_compared_with
        an_install_comes_with_its_integrations_face
        a_setting_keeps_its_first_value
        of_two_processes_with_a_setting_both_get_the_same_value
    }
    reads {
        accounts_are_filtered_by_each_field
        accounts_are_paged_by_id
        runs_come_latest_first
        events_of_an_account_come_in_order_and_from_a_sequence_on
        events_come_since_a_time
        the_databases_time_is_that_of_insertions
        the_backlog_is_counted_with_ages
        what_is_not_there_is_none
        a_current_schema_passes_the_check
    }
}
