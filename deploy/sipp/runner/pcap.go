package runner

import (
	"bytes"
	"encoding/binary"
	"net"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// Video is a capture of n RTP packets of 1000 bytes, 20 ms apart, for scenarios that
// play "video.pcap". SIPp puts the addresses and ports of the call into them.
func Video(n int) []byte {
	const payload, spacing, ticks = 1000, 20 * time.Millisecond, 1800
	var out bytes.Buffer
	w := pcapgo.NewWriter(&out)
	_ = w.WriteFileHeader(65535, layers.LinkTypeEthernet) // a buffer takes everything
	at := time.Unix(1, 0)
	for i := range n {
		frame := rtpFrame(uint16(i), uint32(i*ticks), payload)
		_ = w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(frame), Length: len(frame)}, frame)
		at = at.Add(spacing)
	}
	return out.Bytes()
}

func rtpFrame(sequence uint16, timestamp uint32, payload int) []byte {
	const headerLen, payloadType = 12, 96
	rtp := make([]byte, headerLen+payload)
	rtp[0], rtp[1] = 2<<6, payloadType
	binary.BigEndian.PutUint16(rtp[2:], sequence)
	binary.BigEndian.PutUint32(rtp[4:], timestamp)
	binary.BigEndian.PutUint32(rtp[8:], 0x7669)
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IPv4(198, 18, 0, 2), DstIP: net.IPv4(198, 18, 0, 1)}
	udp := &layers.UDP{SrcPort: 6000, DstPort: 6000}
	_ = udp.SetNetworkLayerForChecksum(ip) // cannot fail for IPv4
	buf := gopacket.NewSerializeBuffer()
	eth := &layers.Ethernet{SrcMAC: make(net.HardwareAddr, 6), DstMAC: make(net.HardwareAddr, 6), EthernetType: layers.EthernetTypeIPv4}
	_ = gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, udp, gopacket.Payload(rtp))
	return buf.Bytes()
}
