//! What does a start without a file find?

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use panelboard_server::config::{self, Config, Environment, Source};

const LISTEN: &str = "127.0.0.1:8080";

fn discover(env: &Environment) -> (String, Source, Config) {
    let (text, source) = config::discover(LISTEN.parse().unwrap(), env);
    let config = config::parse(&text, source.clone(), None, env);
    let config = config.unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    (text, source, config)
}

fn targets(config: &Config, model: &str) -> Vec<String> {
    let model = config.llm.models.iter().find(|m| m.name == model).expect("the model is there");
    model.targets.iter().map(|t| format!("{}/{}", t.provider, t.model)).collect()
}

/// A server that gives everybody this answer.
fn answers(with: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut buffer = [0; 1024];
            let _ = socket.read(&mut buffer);
            let _ = socket.write_all(with.as_bytes());
        }
    });
    addr
}

#[test]
fn without_anything_there_are_the_pretend_providers() {
    let (text, source, config) = discover(&Environment::empty());
    assert_eq!(source, Source::BuiltIn);
    assert_eq!(targets(&config, "fast"), ["pretend-a/pretend-1", "pretend-b/pretend-1"]);
    let keys: Vec<usize> = config.llm.providers.iter().map(|p| p.keys.len()).collect();
    assert_eq!(keys, [2, 1], "{text}");
}

#[test]
fn keys_in_the_environment_become_providers() {
    let env = Environment::empty().with("OPENAI_API_KEY", "sk-1").with("ANTHROPIC_API_KEY", "sk-2");
    let (text, source, config) = discover(&env);
    assert_eq!(source, Source::Environment);
    let fast = targets(&config, "fast");
    assert_eq!(fast.len(), 2);
    assert!(fast[0].starts_with("openai/") && fast[1].starts_with("anthropic/"), "{fast:?}");
    for target in &fast {
        let own = target.split_once('/').unwrap().1;
        assert_eq!(targets(&config, own), [target.as_str()], "each model under its own name too");
    }
    assert!(!text.contains("sk-") && !text.contains("pretend"), "{text}");
    assert_eq!(discover(&Environment::empty().with("OPENAI_API_KEY", "")).1, Source::BuiltIn);
}

#[test]
fn a_local_server_becomes_a_provider_with_its_models() {
    let at = answers(
        "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n\
         {\"object\":\"list\",\"data\":[{\"id\":\"llama3.2:3b\"},{\"id\":\"bad \
         name\"},{\"id\":\"q/\\\"x\"}]}",
    );
    let (text, source, config) = discover(&Environment::empty().with_local_server("ollama", at));
    assert_eq!(source, Source::Environment);
    assert_eq!(config.llm.providers[0].base_url, format!("http://{at}/v1"));
    assert_eq!(targets(&config, "fast"), ["ollama/llama3.2:3b"]);
    assert_eq!(targets(&config, "llama3.2:3b"), ["ollama/llama3.2:3b"]);
    assert_eq!(targets(&config, "q/\"x"), ["ollama/q/\"x"], "{text}");
    assert_eq!(config.llm.models.len(), 3, "a name with a blank is none");
}

#[test]
fn what_is_no_model_server_is_left_alone() {
    let rows = [
        "HTTP/1.0 404 Not Found\r\n\r\nnothing",
        "HTTP/1.0 200 OK\r\n\r\n{\"data\":[]}",
        "HTTP/1.0 200 OK\r\n\r\n{\"data\":[{\"id\":\"fast\",\"owned_by\":\"panelboard\"}]}",
        "SSH-2.0-OpenSSH\r\n",
        "",
    ];
    for answer in rows {
        let env = Environment::empty().with_local_server("x", answers(answer));
        assert_eq!(discover(&env).1, Source::BuiltIn, "{answer}");
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(discover(&Environment::empty().with_local_server("x", free)).1, Source::BuiltIn);
    // A server that accepts and says nothing costs a quarter of a second, not the start.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let env = Environment::empty().with_local_server("x", silent.local_addr().unwrap());
    assert_eq!(discover(&env).1, Source::BuiltIn);
}

#[test]
fn our_own_port_is_not_asked() {
    let at = answers("HTTP/1.0 200 OK\r\n\r\n{\"data\":[{\"id\":\"m\"}]}");
    let env = Environment::empty().with_local_server("llama-cpp", at);
    let same: SocketAddr = format!("127.0.0.1:{}", at.port()).parse().unwrap();
    assert_eq!(config::discover(same, &env).1, Source::BuiltIn);
    assert_eq!(config::discover(LISTEN.parse().unwrap(), &env).1, Source::Environment);
}
