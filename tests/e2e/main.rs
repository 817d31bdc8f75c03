//! Everything end to end: the real `portreeve` between clients and servers, on loopback.
//!
//! `fakes_*` talk to the fakes of this crate, `real_*` to servers that nobody here wrote. They are one
//! program so that they link once; the files are named after what they are about.

mod fakes_admin;
mod fakes_imap;
mod fakes_imap_pipe;
mod fakes_limits;
mod fakes_pop3;
mod fakes_process;
mod fakes_sign_in;
mod fakes_smtp;
mod fakes_smtp_login;
mod fakes_smtp_trouble;
mod fakes_themselves;
mod fakes_tokens;
mod real_clients;
mod real_message;
mod real_servers;
mod real_setup;
mod sandbox;
mod support;
