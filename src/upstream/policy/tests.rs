//! The policy against spellings that have fooled others.

use super::*;

fn policy(options: PolicyOptions) -> AddressPolicy {
    AddressPolicy::new(options)
}

/// Loopback allowed, one test host on http, one more port.
fn lenient() -> AddressPolicy {
    policy(PolicyOptions {
        allow_addresses: vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()],
        deny_addresses: vec!["127.9.0.0/16".parse().unwrap(), "93.184.215.0/24".parse().unwrap()],
        allow_http: vec!["Stub.Test".to_owned()],
        ports: vec![8443],
    })
}

/// Hosts that are, or hide, an address nobody should reach.
const FORBIDDEN_LITERALS: [&str; 83] = [
    // Loopback in every radix and short form.
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7F.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.0.0.1.",
    "127.255.255.254",
    "00000177.0.0.1",
    // The unspecified address, which Linux dials as loopback.
    "0.0.0.0",
    "0",
    "0x0",
    "00",
    "0.1.2.3",
    // Private, shared, link-local, cloud metadata.
    "10.0.0.1",
    "10.1",
    "167772161",
    "0xa.0.0.1",
    "012.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "169.254.169.254",
    "169.254.43518",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.1",
    "3232235521",
    // Protocol assignments, documentation, benchmarks, 6to4 relays, multicast, reserved, broadcast.
    "192.0.0.1",
    "192.0.0.171",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "4294967295",
    // IPv6: unspecified, loopback, mapped, compatible, translated.
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::1]",
    "[100::1]",
    // Teredo, ORCHID, documentation, 6to4, segment routing.
    "[2001::1]",
    "[2001:0:7f00:1::]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[2001:1ff:ffff::1]",
    "[2001:db8::1]",
    "[2001:DB8:ffff::1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[3fff::1]",
    "[3fff:fff::1]",
    "[5f00::1]",
    // Unique local, link-local, site-local, multicast.
    "[fc00::1]",
    "[fd12:3456::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
];

/// Whole URLs that are refused for their spelling, whatever they resolve to.
const REFUSED: [(&str, &str); 62] = [
    ("", "https://"),
    ("api.test/x", "https://"),
    ("//api.test/x", "https://"),
    ("https:api.test/x", "https://"),
    ("https:/api.test/x", "https://"),
    ("HTTP://api.test/", "over https only"),
    ("http://api.test/", "over https only"),
    ("ftp://api.test/", "scheme"),
    ("file:///etc/passwd", "scheme"),
    ("gopher://127.0.0.1:6379/_x", "scheme"),
    ("javascript://api.test/", "scheme"),
    ("https://", "no host"),
    ("https:///x", "no host"),
    ("https://:443/", "no host"),
    ("https://api.test:99999/", "cannot be parsed"),
    ("https://api.test:0/", "port 0"),
    ("https://api.test:80/", "port 80"),
    ("https://api.test:6379/", "port 6379"),
    ("https://user@api.test/", "user information"),
    ("https://user:pass@api.test/", "user information"),
    ("https://api.test@127.0.0.1/", "user information"),
    ("https://@api.test/", "user information"),
    ("https://127.0.0.1%2f@api.test/", "user information"),
    ("https://api.test\\@127.0.0.1/", "backslash"),
    ("https://api.test\\x", "backslash"),
    ("https:\\\\api.test/", "backslash"),
    ("https://api.test/a\\..\\b", "backslash"),
    ("https://api.test/a b", "space"),
    (" https://api.test/", "space"),
    ("https://api.test/\n", "control"),
    ("https://api.test/a\tb", "control"),
    ("ht\ttps://api.test/", "control"),
    ("https://api.te\rst/", "control"),
    ("https://api.test/\0", "control"),
    ("https://api.test/\u{7f}", "control"),
    ("https://api.test/\u{85}", "control"),
    ("https://api.test/\u{2028}", "space"),
    ("https://api.test/\u{3000}", "space"),
    ("https://{{subdomain}}.test/", "placeholder"),
    ("https://api.test/{{path}}", "placeholder"),
    ("https://１２７.０.０.１/", "punycode"),
    ("https://①②⑦.⓪.⓪.①/", "punycode"),
    ("https://127。0。0。1/", "punycode"),
    ("https://ⓛocalhost/", "punycode"),
    ("https://münchen.test/", "punycode"),
    ("https://%6cocalhost/", "no host name has"),
    ("https://%31%32%37.0.0.1/", "no host name has"),
    ("https://127.0.0.1%00.test/", "no host name has"),
    ("https://[fe80::1%25eth0]/", "no host name has"),
    ("https://api!.test/", "no host name has"),
    ("https://[api.test]/", "cannot be parsed"),
    ("https://[::1/", "cannot be parsed"),
    ("https://1.2.3.4.5/", "cannot be parsed"),
    ("https://256.1.1.1/", "cannot be parsed"),
    ("https://api.0x/", "cannot be parsed"),
    ("https://api..test/", "not a valid name"),
    ("https://.test/", "not a valid name"),
    ("https://./", "not a valid name"),
    ("https://api.test../", "not a valid name"),
    ("https://-api.test/", "not a valid name"),
    ("https://api-.test/", "not a valid name"),
    ("https://xn--a.test:22/", "cannot be parsed"),
];

const REFUSED_PATHS: [&str; 25] = [
    "/..",
    "/../admin",
    "/v1/./x",
    "/v1/../../admin",
    "/v1/..;/admin",
    "/v1/.;a=b/x",
    "/v1/%2e%2e/admin",
    "/v1/%2E./admin",
    "/v1/.%2e/admin",
    "/v1/%2e",
    "/v1/a%2fb",
    "/v1/a%2Fb",
    "/v1/..%2f..%2fadmin",
    "/v1/a%5cb",
    "/v1/a%5Cb",
    "/v1/%252e%252e/x",
    "/v1/a%252Fb",
    "/v1/a%255cb",
    "/v1/a%00b",
    "/v1/a%0d%0aHost:x",
    "/v1/a%7fb",
    "/v1/100%",
    "/v1/%zz",
    "/v1/%2",
    "/v1/%+1",
];

#[test]
fn no_spelling_of_a_forbidden_address_passes() {
    let strict = AddressPolicy::default();
    for host in FORBIDDEN_LITERALS {
        for url in [format!("https://{host}/"), format!("https://{host}:443/v1?x=1#y"), format!("HTTPS://{host}")] {
            let refusal = strict.check(&url).expect_err(&url);
            assert!(refusal.to_string().contains("is not public"), "{url}: {refusal}");
        }
        assert!(strict.check(&format!("http://{host}/")).is_err(), "http {host}");
    }
}

#[test]
fn a_url_whose_text_means_two_things_is_refused_before_it_is_mended() {
    for (url, part) in REFUSED {
        let refusal = AddressPolicy::default().check(url).expect_err(url);
        assert!(refusal.to_string().contains(part), "{url}: {refusal}");
    }
}

#[test]
fn a_path_that_some_server_reads_as_another_path_is_refused() {
    for path in REFUSED_PATHS {
        for tail in ["", "?q=1", "#f"] {
            let url = format!("https://api.test{path}{tail}");
            let refusal = AddressPolicy::default().check(&url).expect_err(&url);
            assert!(refusal.to_string().contains("path"), "{url}: {refusal}");
        }
    }
}

#[test]
fn ordinary_urls_pass_unchanged() {
    for url in [
        "https://api.vendor.com/v1/users?limit=1&a[]=2&next=https%3A%2F%2Fx%2F..%2F",
        "https://api.vendor.com/v1/a.b..c/x%20y%3Az;v=1/caf%C3%A9",
        "https://under_score.vendor.com/",
        "https://xn--mnchen-3ya.test/",
        "https://8.8.8.8/dns-query",
        "https://[2606:4700:4700::1111]/dns-query",
        "https://[2001:4860:4860::8888]/",
        "https://api.vendor.com/?q=../..//%2e",
        "https://100.63.255.255/",
        "https://172.32.0.1/",
        "https://9.255.255.255/",
        "https://223.255.255.255/",
        "https://[3fff:1000::1]/",
        "https://[2001:200::1]/",
    ] {
        assert_eq!(AddressPolicy::default().check(url).expect(url).as_str(), url);
    }
    assert!(AddressPolicy::default().check("https://[::ffff:8.8.8.8]/").is_ok(), "a mapped public address is public");
}

#[test]
fn the_host_is_lowercased_and_loses_one_trailing_dot() {
    let url = AddressPolicy::default().check("https://API.Vendor.COM./V1").unwrap();
    assert_eq!(url.as_str(), "https://api.vendor.com/V1");
    assert_eq!(lenient().check("http://STUB.test.:9100/").unwrap().as_str(), "http://stub.test:9100/");
}

#[test]
fn names_and_urls_have_a_longest_length() {
    let strict = AddressPolicy::default();
    let label = "a".repeat(63);
    assert!(strict.check(&format!("https://{label}.test/")).is_ok());
    assert!(strict.check(&format!("https://{label}a.test/")).is_err());
    let name = [label.as_str(); 4].join(".");
    assert!(strict.check(&format!("https://{name}/")).is_err(), "255 bytes");
    let fits = format!("https://api.test/{}", "a".repeat(LONGEST_URL - 17));
    assert!(strict.check(&fits).is_ok());
    assert!(strict.check(&format!("{fits}a")).is_err());
}

#[test]
fn an_allowed_subnet_opens_http_and_every_port_for_its_literals_only() {
    let policy = lenient();
    for url in ["http://127.0.0.1:9100/", "http://127.1/", "https://[::1]:1/", "http://[::ffff:127.0.0.1]:80/"] {
        assert!(policy.check(url).is_ok(), "{url}");
    }
    for url in ["http://10.0.0.1/", "https://10.0.0.1/", "http://8.8.8.8/", "http://localhost:9100/", "http://[::2]/"] {
        assert!(policy.check(url).is_err(), "{url}");
    }
}

#[test]
fn an_allowed_http_host_is_exact_and_its_addresses_are_still_judged() {
    let policy = lenient();
    assert!(policy.check("http://stub.test:81/").is_ok());
    for url in ["http://a.stub.test/", "http://stub.test.evil.test/", "http://stub-test/", "http://xstub.test/"] {
        assert!(policy.check(url).is_err(), "{url}");
    }
    assert!(!policy.permits("10.0.0.1".parse().unwrap()));
}

#[test]
fn declared_ports_join_443() {
    assert!(lenient().check("https://api.test:8443/").is_ok());
    assert!(lenient().check("https://api.test:443/").is_ok());
    assert!(lenient().check("https://api.test:8444/").is_err());
    assert!(AddressPolicy::default().check("https://api.test:8443/").is_err());
}

#[test]
fn a_denied_subnet_wins_over_public_and_over_allowed() {
    let policy = lenient();
    assert!(policy.check("https://127.9.0.1/").is_err());
    assert!(policy.check("https://93.184.215.14/").is_err());
    assert!(!policy.permits("::ffff:93.184.215.14".parse().unwrap()), "mapped too");
    assert!(policy.permits("93.184.216.14".parse().unwrap()));
}

#[test]
fn no_refusal_shows_path_query_or_user_information() {
    let canary = "k4n4ry";
    for url in [
        format!("https://{canary}:{canary}@api.test/"),
        format!("https://10.0.0.1/{canary}?{canary}#{canary}"),
        format!("http://api.test/{canary}?{canary}"),
        format!("https://api.test:81/{canary}"),
        format!("https://api.test/{canary}/../x"),
        format!("https://api.test/{canary}%2f"),
        format!("https://api.test/{canary} "),
        format!("https://api.test/{{{{{canary}}}}}"),
        format!("{canary}://api.test/"),
        format!("https://api.test/{}", canary.repeat(2000)),
        format!("https://{canary}é.test/"),
    ] {
        let refusal = AddressPolicy::default().check(&url).expect_err(&url);
        assert!(!format!("{refusal} {refusal:?}").contains(canary), "{refusal}");
    }
}
