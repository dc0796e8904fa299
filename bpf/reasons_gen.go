// Code generated from reasons.txt. DO NOT EDIT.

package bpf

// The reasons.
const (
	ReasonForwarded      Reason = iota // forward: A flow took the packet; it was rewritten and sent on.
	ReasonNotIP                        // pass: The Ethernet type is neither IPv4 nor IPv6 (ARP, ...).
	ReasonShortFrame                   // pass: The frame ends before its headers do.
	ReasonIPOptions                    // pass: The IPv4 header has options.
	ReasonIPFragment                   // pass: The packet is a fragment; the system puts it together for the process. Many of these: a path MTU is too small.
	ReasonIPExtension                  // pass: The IPv6 packet has extension headers.
	ReasonIPLength                     // pass: The IP length does not fit the frame.
	ReasonNotUDP                       // pass: The packet is not UDP.
	ReasonUDPLength                    // pass: The UDP length does not fit the IP length.
	ReasonUDPChecksum                  // pass: An IPv6 packet has no UDP checksum (RFC 8200 section 8.1).
	ReasonMappedAddress                // pass: An IPv6 header has an IPv4-mapped address, which must not be on a wire.
	ReasonNotOurs                      // pass: The destination is no address and port of the relay.
	ReasonControl                      // pass: For the process: a request to a listening port, or RTCP on the port of RTP where the other end has it on another.
	ReasonNoFlow                       // pass: A permitted peer's packet that has no flow yet, for the process.
	ReasonLeaseExpired                 // pass: The flow's lease has run out: nobody renewed it, or its permission, channel or allocation ended.
	ReasonOwnerGone                    // pass: The process has been away for longer than a lease; packets pass as if there were no relay.
	ReasonFlowChanging                 // pass: The flow was being changed when the packet arrived; the process relays it.
	ReasonChannelLength                // pass: The ChannelData length does not fit the datagram (RFC 8656 section 12.4).
	ReasonChannelPadding               // pass: The padding behind ChannelData is longer than 3 bytes or not zero.
	ReasonNoHeadroom                   // pass: The driver leaves no room in front of the packet for a longer header.
	ReasonTooBig                       // pass: The rewritten packet is larger than the next hop's MTU; the process sends it in fragments.
	ReasonNoNeighbour                  // pass: The next hop is not known or XDP cannot send to it now; the process relays, and the system asks for its link address.
	ReasonStranger                     // drop: The sender has no permission to use this relay (RFC 8656 section 9).
	ReasonOwnerDown                    // drop: The process is away; dropped in silence, because an ICMP error would make clients give up.
	ReasonPoliced                      // drop: The flow sends more than it was granted.
	ReasonHopLimit                     // drop: The hop limit is used up.
	ReasonNoDevice                     // drop: The interface that the packet was to leave by is gone.
	ReasonSendFailed                   // drop: The process could not send the packet (socket buffer full, or the system refused it).
	ReasonTwoTags                      // pass: The frame has two VLAN tags, of which XDP relays at most one; the system takes them off for the process.
	ReasonUnknownVLAN                  // pass: The frame's VLAN tag is for no VLAN device on this interface (ip -d link); the system throws it away.
	ReasonNotTurn                      // drop: A packet to a listening port that is neither STUN nor ChannelData.
	ReasonCrowd                        // drop: The process cannot keep up with its requests, and this one's source asks more than its share. See docs/floods.md.
	ReasonOverGrant                    // drop: The flow's call, or a pipe that it goes through, sends more than it was granted; `turnpike bandwidth show` tells which.
	// ReasonCount is how many reasons there are.
	ReasonCount
)

var reasons = [ReasonCount]struct {
	name, text string
	verdict    Verdict
}{
	ReasonForwarded:      {"forwarded", "A flow took the packet; it was rewritten and sent on.", Forward},
	ReasonNotIP:          {"not_ip", "The Ethernet type is neither IPv4 nor IPv6 (ARP, ...).", Pass},
	ReasonShortFrame:     {"short_frame", "The frame ends before its headers do.", Pass},
	ReasonIPOptions:      {"ip_options", "The IPv4 header has options.", Pass},
	ReasonIPFragment:     {"ip_fragment", "The packet is a fragment; the system puts it together for the process. Many of these: a path MTU is too small.", Pass},
	ReasonIPExtension:    {"ip_extension", "The IPv6 packet has extension headers.", Pass},
	ReasonIPLength:       {"ip_length", "The IP length does not fit the frame.", Pass},
	ReasonNotUDP:         {"not_udp", "The packet is not UDP.", Pass},
	ReasonUDPLength:      {"udp_length", "The UDP length does not fit the IP length.", Pass},
	ReasonUDPChecksum:    {"udp_checksum", "An IPv6 packet has no UDP checksum (RFC 8200 section 8.1).", Pass},
	ReasonMappedAddress:  {"mapped_address", "An IPv6 header has an IPv4-mapped address, which must not be on a wire.", Pass},
	ReasonNotOurs:        {"not_ours", "The destination is no address and port of the relay.", Pass},
	ReasonControl:        {"control", "For the process: a request to a listening port, or RTCP on the port of RTP where the other end has it on another.", Pass},
	ReasonNoFlow:         {"no_flow", "A permitted peer's packet that has no flow yet, for the process.", Pass},
	ReasonLeaseExpired:   {"lease_expired", "The flow's lease has run out: nobody renewed it, or its permission, channel or allocation ended.", Pass},
	ReasonOwnerGone:      {"owner_gone", "The process has been away for longer than a lease; packets pass as if there were no relay.", Pass},
	ReasonFlowChanging:   {"flow_changing", "The flow was being changed when the packet arrived; the process relays it.", Pass},
	ReasonChannelLength:  {"channel_length", "The ChannelData length does not fit the datagram (RFC 8656 section 12.4).", Pass},
	ReasonChannelPadding: {"channel_padding", "The padding behind ChannelData is longer than 3 bytes or not zero.", Pass},
	ReasonNoHeadroom:     {"no_headroom", "The driver leaves no room in front of the packet for a longer header.", Pass},
	ReasonTooBig:         {"too_big", "The rewritten packet is larger than the next hop's MTU; the process sends it in fragments.", Pass},
	ReasonNoNeighbour:    {"no_neighbour", "The next hop is not known or XDP cannot send to it now; the process relays, and the system asks for its link address.", Pass},
	ReasonStranger:       {"stranger", "The sender has no permission to use this relay (RFC 8656 section 9).", Drop},
	ReasonOwnerDown:      {"owner_down", "The process is away; dropped in silence, because an ICMP error would make clients give up.", Drop},
	ReasonPoliced:        {"policed", "The flow sends more than it was granted.", Drop},
	ReasonHopLimit:       {"hop_limit", "The hop limit is used up.", Drop},
	ReasonNoDevice:       {"no_device", "The interface that the packet was to leave by is gone.", Drop},
	ReasonSendFailed:     {"send_failed", "The process could not send the packet (socket buffer full, or the system refused it).", Drop},
	ReasonTwoTags:        {"two_tags", "The frame has two VLAN tags, of which XDP relays at most one; the system takes them off for the process.", Pass},
	ReasonUnknownVLAN:    {"unknown_vlan", "The frame's VLAN tag is for no VLAN device on this interface (ip -d link); the system throws it away.", Pass},
	ReasonNotTurn:        {"not_turn", "A packet to a listening port that is neither STUN nor ChannelData.", Drop},
	ReasonCrowd:          {"crowd", "The process cannot keep up with its requests, and this one's source asks more than its share. See docs/floods.md.", Drop},
	ReasonOverGrant:      {"over_grant", "The flow's call, or a pipe that it goes through, sends more than it was granted; `turnpike bandwidth show` tells which.", Drop},
}
