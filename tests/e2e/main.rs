//! Everything end to end: the real `portreeve` between clients and servers, on loopback.
//!
//! `fakes_*` talk to the fakes of this crate, `real_*` to servers that nobody here wrote. They are one
//! program so that they link once; the files are named after what they are about.

mod fakes_themselves;
