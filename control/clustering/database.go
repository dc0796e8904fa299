package clustering

// Database is what a node has agreed with its peers and copied of theirs, and how sound it is (OP-05).
type Database struct {
	State string `json:"state"` // Active, or what is wrong
	// Damaged is why the node runs without its part in the cluster (alarm 15005); empty: it does not.
	Damaged string `json:"damaged,omitempty"`
	// ClusterID is of the history of the agreement that counts, Earlier are those before it.
	ClusterID string   `json:"cluster_id,omitempty"`
	Earlier   []string `json:"earlier,omitempty"`
	Leader    string   `json:"leader,omitempty"` // node id
	Leads     bool     `json:"leads"`
	Term      uint64   `json:"term"`
	Applied   uint64   `json:"applied"` // index in the log
	// LastContact is how long ago the leader was heard, in milliseconds.
	LastContact float64          `json:"last_contact"`
	Voters      []Voter          `json:"voters"`
	Removed     []string         `json:"removed,omitempty"` // must be reset to join again
	Rows        int              `json:"rows"`              // this node's own
	Copies      []Copy           `json:"copies"`
	Revisions   []RevisionOfPeer `json:"revisions"`
}

// Voter is a member of the agreement.
type Voter struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Name    string `json:"name,omitempty"`
	Joined  bool   `json:"joined"` // it carries the same id and was heard
}

// Copy is how far this node's copy of a peer's rows is.
type Copy struct {
	ID          string `json:"id"`
	Name        string `json:"name,omitempty"`
	Incarnation uint64 `json:"incarnation"`
	Sequence    uint64 `json:"sequence"`
	Rows        int    `json:"rows"`
	Lost        bool   `json:"lost"`    // its owner is not there: nothing of it is shown
	Current     bool   `json:"current"` // no other copy is being made
	Digest      string `json:"digest"`
}

// RevisionOfPeer is which configuration a peer has.
type RevisionOfPeer struct {
	Index      int    `json:"index"`
	Address    string `json:"address"`
	Author     string `json:"author"`
	Generation uint64 `json:"generation"`
	Revision   uint64 `json:"revision"`
	Digest     string `json:"digest"`
}

// Rows are rows of one table.
type Rows struct {
	Of   string `json:"of"`  // node id
	All  int    `json:"all"` // how many there are; Rows may be fewer
	Rows []Row  `json:"rows"`
}

// Row is a row as its owner wrote it.
type Row struct {
	Key    string  `json:"key"`
	TTL    float64 `json:"ttl"` // seconds after the loss of its owner; 0: without end
	Counts bool    `json:"counts"`
	Value  []byte  `json:"value"`
}

// Ledger is what is agreed on who may use how much.
type Ledger struct {
	Applied   uint64     `json:"applied"`
	Aside     bool       `json:"aside"` // nobody leads: this side counts for itself, beside what is agreed
	Resources []Resource `json:"resources"`
}

// Resource is something that is shared out.
type Resource struct {
	Name    string  `json:"name"`
	Total   uint32  `json:"total"`
	Policy  string  `json:"policy"`
	Granted uint64  `json:"granted"`
	Grants  []Grant `json:"grants"`
}

// Grant is what a peer may use.
type Grant struct {
	Peer        string `json:"peer"` // node id
	Amount      uint32 `json:"amount"`
	Incarnation uint64 `json:"incarnation"`
	Number      uint64 `json:"number"`
	Freed       bool   `json:"freed,omitempty"`
}
