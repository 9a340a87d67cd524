//! Answers gateways that ask whether a request they hold may pass (`auth_request` of nginx, `ForwardAuth` of Traefik,
//! `forward_auth` of Caddy, `ext_authz` of Envoy). `docs/forward-auth.md` says how each of them is set up.

pub mod endpoint;
pub mod identity;
pub mod original;
