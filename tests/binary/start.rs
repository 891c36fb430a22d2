//! How `run` starts, or says why it does not.

use std::net::TcpListener;

use crate::support::{Place, Provider, Ran, Scratch, Worker, bare, eventually, get};

#[test]
fn a_new_user_may_start_it_in_an_empty_directory() {
    let scratch = Scratch::new();
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [api, probes] = ports.map(|listener| listener.local_addr().unwrap());
    let mut command = bare(["run"]);
    // Only the ports differ from the defaults, since other tests may use those.
    command.env("TIDEWAITER__API__LISTEN", api.to_string()).env("TIDEWAITER__PROBES__LISTEN", probes.to_string());
    let log = std::fs::File::create(scratch.path("log")).unwrap();
    let mut child = command.current_dir(&scratch.0).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    eventually("it is ready", || {
        let said = std::fs::read_to_string(scratch.path("log")).unwrap();
        assert!(child.try_wait().unwrap().is_none(), "{said}");
        said.contains(" ready ").then_some(())
    });
    assert_eq!(get(api, "/integrated-account").with(200)["result"].as_array().unwrap().len(), 0);
    let said = std::fs::read_to_string(scratch.path("log")).unwrap();
    assert!(said.contains("there are no definitions"), "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A worker with a broker starts itself anew; what came out of the pipe by then would be lost.
#[test]
fn a_configuration_out_of_a_pipe_is_the_one_that_counts() {
    let scratch = Scratch::new();
    let mut command = bare(["run", "--config", "/dev/stdin"]);
    command.current_dir(&scratch.0);
    let settings = "broker.url = \"amqps://127.0.0.1:1\"\nbroker.ca_file = \"none.pem\"\n\
                    api.listen = \"\"\nprobes.listen = \"\"\n";
    let said = Ran::of(command, settings.as_bytes()).ended(2).stderr;
    assert!(said.contains("none.pem"), "{said}");
}

#[test]
fn a_configured_directory_that_is_missing_is_an_error() {
    let place = Place::offline();
    std::fs::remove_dir_all(place.path("installs")).unwrap();
    let said = place.run(&["run"]).ended(2).stderr;
    assert!(said.contains("installs: the directory cannot be read"), "{said}");
}

#[test]
fn a_port_in_use_ends_with_3_and_names_the_key() {
    let provider = Provider::start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    for key in ["api.listen", "probes.listen"] {
        let setting = format!("{key} = \"{}\"", taken.local_addr().unwrap());
        let said = Place::with(&provider, &[&setting]).run(&["run"]).ended(3).stderr;
        assert!(said.contains(&format!("`{key}`")) && said.contains("in use"), "{said}");
    }
}

#[test]
fn a_second_worker_on_the_same_file_ends_with_3_and_the_first_goes_on() {
    let place = Place::offline();
    let worker = place.worker();
    let said = place.run(&["run"]).ended(3).stderr;
    assert!(said.contains("another worker runs on") && said.contains("tidewaiter.db"), "{said}");
    worker.get("/integrated-account").with(200);
    worker.stop();
}

#[test]
fn a_broken_definition_ends_with_2_and_names_the_file_and_the_place_in_it() {
    let place = Place::offline();
    let file = place.path("integrations/harbour.json");
    let sound = std::fs::read_to_string(&file).unwrap();
    let broken = [
        (sound.replace("steps.validate.result.status = 'ok'", "steps.(("), "/config/actions/validation/steps/1"),
        (sound.replace("\"type\": \"transform\"", "\"type\": \"teleport\""), "/config/actions/validation/steps/1"),
        (sound.replace("\"harbour\"", "\"Har bour\""), "/name"),
        (sound.replacen('{', "", 1), "not JSON"),
    ];
    for (text, named) in broken {
        assert_ne!(text, sound);
        std::fs::write(&file, text).unwrap();
        let said = place.run(&["run"]).ended(2).stderr;
        assert!(said.contains("integrations/harbour.json") && said.contains(named), "{named}: {said}");
        assert_eq!(place.run(&["definitions", "apply"]).ended(2).stdout, "");
    }
}

#[test]
fn an_install_of_an_unknown_integration_ends_with_2() {
    let place = Place::offline();
    place.scratch.write("installs/test.json", crate::support::installs("lighthouse").to_string());
    let said = place.run(&["run"]).ended(2).stderr;
    assert!(said.contains("installs/test.json") && said.contains("/installs/0/integration"), "{said}");
}

#[test]
fn an_event_file_that_cannot_be_written_ends_with_2() {
    let provider = Provider::start();
    let settings = ["events.sink = \"file\"", "events.file = \"/nowhere/at/all\""];
    let said = Place::with(&provider, &settings).run(&["run"]).ended(2).stderr;
    assert!(said.contains("events.file") && said.contains("/nowhere/at/all"), "{said}");
}

#[test]
fn standard_output_carries_events_and_nothing_else() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let worker = place.worker();
    worker.import(&crate::support::oauth("acme", "good"));
    let kinds: Vec<_> = eventually("both events are published", || {
        let events = worker.published();
        (events.len() == 2).then(|| events.iter().map(|event| event["type"].clone()).collect())
    });
    assert_eq!(kinds, ["integrated_account.created", "integrated_account.active"]);
    worker.stop();
}

#[test]
fn an_orderly_start_and_end_logs_no_error() {
    let place = Place::offline();
    let worker = place.worker();
    let log = worker.stderr.clone();
    worker.stop();
    let said = std::fs::read_to_string(log).unwrap();
    assert!(!said.contains(" ERROR "), "{said}");
    for verb in [["accounts", "list"], ["definitions", "apply"]] {
        let said = place.run(&verb).ended(0).stderr;
        assert!(!said.contains(" ERROR "), "{said}");
    }
}

#[test]
fn health_tells_whether_a_worker_lives() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let worker = Worker::start(&place);
    let url = format!("http://{}/livez", worker.probes);
    assert!(place.run(&["health", "--url", &url]).ended(0).stdout.contains("200"));
    worker.stop();
    place.run(&["health", "--url", &url]).ended(3);
    // The API is another listener: it has no probes, and the probes no accounts.
    let worker = Worker::start(&place);
    assert_eq!(get(worker.api, "/livez").status, 404);
    assert_eq!(get(worker.probes, "/integrated-account").status, 404);
    worker.stop();
}
