//! How does a program have its secrets from a Vault, without waiting for one that is down?
//!
//! ```console
//! $ VAULT_ADDR=http://127.0.0.1:8200 VAULT_TOKEN=.. cargo run -p panelboard-vault --example vault
//! ```
//!
//! Without `VAULT_ADDR` it shows what a program sees whose server is not there.
#![expect(clippy::print_stdout, reason = "it is an example")]

use std::{error::Error, time::Duration};

use panelboard_vault::{Auth, Config, Secret, Vault, Write};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::var("VAULT_ADDR").unwrap_or("http://127.0.0.1:1".to_owned());
    let token = std::env::var("VAULT_TOKEN").unwrap_or("none".to_owned());
    let config = Config::builder(address, Auth::token(Secret::new(token)))
        .timeout(Duration::from_secs(2))
        .failure_threshold(3)
        .build()?;
    let vault = Vault::open(config)?;

    let kv = vault.kv2("secret");
    match kv.write("panelboard/example", &[("greeting", "hello")], Write::default()).await {
        Ok(version) => println!("wrote version {version}"),
        Err(error) if error.kind.is_servers() => println!("the server can't be asked: {error}"),
        Err(error) => println!("not done: {error}"),
    }
    match kv.read_cached("panelboard/example").await {
        Ok(Some(cached)) => {
            let greeting = cached.found.data.field("greeting")?;
            println!("read {} characters, {:?} old", greeting.expose().len(), cached.age);
        }
        Ok(None) => println!("there is no such secret"),
        Err(error) => println!("not read: {error}"),
    }
    let health = vault.health();
    for (name, breaker) in &health.breakers {
        println!("{name}: {}, {} failures in a row", breaker.state, breaker.consecutive_failures);
    }
    println!("{} run, {} wait", health.queue.running, health.queue.waiting);
    let ended = vault.shutdown(Duration::from_secs(2)).await;
    println!("ended: {ended:?}");
    Ok(())
}
