package message

// Method is what a request asks for. Methods are compared as they are written (RFC 3261
// section 7.1).
type Method string

// The methods that some part of the node knows.
const (
	Invite   Method = "INVITE"
	Ack      Method = "ACK"
	Bye      Method = "BYE"
	Cancel   Method = "CANCEL"
	Register Method = "REGISTER"
	Options  Method = "OPTIONS"
	Prack    Method = "PRACK"  // RFC 3262
	Update   Method = "UPDATE" // RFC 3311
	Info     Method = "INFO"   // RFC 6086
	// MessageMethod is MESSAGE (RFC 3428); the plain name is the type's.
	MessageMethod Method = "MESSAGE"
	Subscribe     Method = "SUBSCRIBE" // RFC 6665
	Notify        Method = "NOTIFY"    // RFC 6665
	Refer         Method = "REFER"     // RFC 3515
	Publish       Method = "PUBLISH"   // RFC 3903
)
