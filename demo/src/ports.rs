//! Binds every port before anything starts, so that a taken one is told at once and nothing has to be undone.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// How often a free app port is sought that is free at both loopback addresses.
const ATTEMPTS: usize = 16;

/// The ports that were asked for; 0 is any free one.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Where the browser goes: the BFF.
    pub app: u16,
    /// The auth server.
    pub auth: u16,
    /// The notes API.
    pub api: u16,
}

/// Listening sockets, all on loopback.
#[derive(Debug)]
pub struct Bound {
    /// The BFF, at 127.0.0.1.
    pub app: TcpListener,
    /// The same port at `[::1]`, which `localhost` may mean as well; `None` on a machine without IPv6.
    pub app_v6: Option<TcpListener>,
    /// The auth server.
    pub auth: TcpListener,
    /// The notes API.
    pub api: TcpListener,
    /// The trail, which nobody has to find: any free port.
    pub trail: TcpListener,
}

impl Bound {
    /// Binds all of them.
    ///
    /// # Errors
    /// Every port that cannot be had, each with the flag that changes it.
    pub fn bind(ports: Ports) -> Result<Self, PortFaults> {
        let mut faults = PortFaults(same_ports(ports));
        if !faults.0.is_empty() {
            return Err(faults);
        }
        let app = faults.keep(APP, ports.app, bind_app(ports.app));
        let auth = faults.keep(AUTH, ports.auth, bind_v4(ports.auth));
        let api = faults.keep(API, ports.api, bind_v4(ports.api));
        let trail = faults.keep(TRAIL, 0, bind_v4(0));
        match (app, auth, api, trail) {
            (Some((app, app_v6)), Some(auth), Some(api), Some(trail)) => Ok(Self {
                app,
                app_v6,
                auth,
                api,
                trail,
            }),
            _ => Err(faults),
        }
    }
}

/// What listens at a port, and the flag that moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Purpose {
    who: &'static str,
    flag: Option<&'static str>,
}

const APP: Purpose = Purpose {
    who: "the app",
    flag: Some("--port"),
};
const AUTH: Purpose = Purpose {
    who: "the auth server",
    flag: Some("--auth-port"),
};
const API: Purpose = Purpose {
    who: "the notes API",
    flag: Some("--api-port"),
};
const TRAIL: Purpose = Purpose {
    who: "the trail",
    flag: None,
};

#[derive(Debug)]
struct PortFault {
    port: u16,
    purpose: Purpose,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// Two flags name it.
    SameAs(Purpose),
    /// The system's answer.
    Io(io::Error),
}

impl fmt::Display for PortFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            port,
            purpose: Purpose { who, flag },
            cause,
        } = self;
        match cause {
            Cause::SameAs(other) => write!(
                f,
                "port {port} cannot be both that of {} and that of {who}.",
                other.who
            )?,
            Cause::Io(error) if error.kind() == ErrorKind::AddrInUse => {
                write!(
                    f,
                    "port {port} is in use by another program, so {who} cannot listen there."
                )?;
            }
            Cause::Io(error) => write!(f, "{who} cannot listen at port {port}: {error}.")?,
        }
        match flag {
            Some(flag) => write!(
                f,
                " Choose another one with {flag} ({flag} 0 takes any that is free)."
            ),
            None => Ok(()),
        }
    }
}

/// Every port that cannot be had, one a line.
#[derive(Debug)]
pub struct PortFaults(Vec<PortFault>);

impl PortFaults {
    fn keep<T>(&mut self, purpose: Purpose, port: u16, bound: io::Result<T>) -> Option<T> {
        match bound {
            Ok(listener) => Some(listener),
            Err(error) => {
                let cause = Cause::Io(error);
                self.0.push(PortFault { port, purpose, cause });
                None
            }
        }
    }
}

impl fmt::Display for PortFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PortFaults {}

/// Ports that two flags name; the system would only say that they are in use.
fn same_ports(ports: Ports) -> Vec<PortFault> {
    let wanted = [(APP, ports.app), (AUTH, ports.auth), (API, ports.api)];
    let mut faults = Vec::new();
    for (index, &(purpose, port)) in wanted.iter().enumerate() {
        let earlier = wanted[..index]
            .iter()
            .find(|&&(_, other)| other == port && port != 0);
        if let Some(&(other, _)) = earlier {
            let cause = Cause::SameAs(other);
            faults.push(PortFault { port, purpose, cause });
        }
    }
    faults
}

fn bind_v4(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// Binds a port at both loopback addresses: were another program at `[::1]`, some browsers would show that one.
fn bind_app(port: u16) -> io::Result<(TcpListener, Option<TcpListener>)> {
    for _ in 0..ATTEMPTS {
        let v4 = bind_v4(port)?;
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, v4.local_addr()?.port()));
        match TcpListener::bind(address) {
            Ok(v6) => return Ok((v4, Some(v6))),
            Err(error) if error.kind() != ErrorKind::AddrInUse => return Ok((v4, None)),
            Err(error) if port != 0 => return Err(error),
            Err(_) => {}
        }
    }
    Err(ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Ports = Ports {
        app: 0,
        auth: 0,
        api: 0,
    };

    fn port_of(listener: &TcpListener) -> u16 {
        listener.local_addr().unwrap().port()
    }

    #[test]
    fn free_ports_are_found_and_the_app_has_the_same_one_at_both_addresses() {
        let bound = Bound::bind(ANY).unwrap();
        if let Some(v6) = &bound.app_v6 {
            assert_eq!(port_of(v6), port_of(&bound.app));
        }
        for listener in [&bound.app, &bound.auth, &bound.api, &bound.trail] {
            assert!(listener.local_addr().unwrap().ip().is_loopback());
        }
    }

    #[test]
    fn every_taken_port_is_named_with_its_flag_and_free_ones_are_not() {
        let [app, api] = [bind_v4(0).unwrap(), bind_v4(0).unwrap()];
        let ports = Ports {
            app: port_of(&app),
            api: port_of(&api),
            ..ANY
        };

        let message = Bound::bind(ports).unwrap_err().to_string();
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(lines.len(), 2, "{message}");
        assert!(
            lines[0].starts_with(&format!("port {} is in use", ports.app)) && lines[0].contains(" --port ")
        );
        assert!(
            lines[1].starts_with(&format!("port {} is in use", ports.api))
                && lines[1].contains(" --api-port ")
        );
    }

    #[test]
    fn a_program_at_the_other_loopback_address_takes_the_port_as_well() {
        let Ok(other) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
            return; // a machine without IPv6
        };
        let ports = Ports {
            app: port_of(&other),
            ..ANY
        };
        let message = Bound::bind(ports).unwrap_err().to_string();
        assert!(message.contains("is in use"), "{message}");
    }

    #[test]
    fn one_port_for_two_servers_is_told_as_such() {
        let ports = Ports {
            app: 9000,
            auth: 9000,
            api: 9000,
        };
        let message = Bound::bind(ports).unwrap_err().to_string();
        assert_eq!(
            message,
            "port 9000 cannot be both that of the app and that of the auth server. \
             Choose another one with --auth-port (--auth-port 0 takes any that is free).\n\
             port 9000 cannot be both that of the app and that of the notes API. \
             Choose another one with --api-port (--api-port 0 takes any that is free)."
        );
    }
}
