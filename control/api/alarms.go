package api

import (
	"context"
	"net/http"
	"net/url"

	"turnpike.dev/turnpike/control/alarms"
)

// Alarms lists what is wrong with a node, and takes note that somebody has seen it.
type Alarms interface {
	Alarms() []alarms.Alarm
	AcknowledgeAlarm(uuid, by string) error
}

func (s *Server) alarms(w http.ResponseWriter, _ *http.Request) { reply(w, s.node.Alarms()) }

func (s *Server) acknowledge(w http.ResponseWriter, r *http.Request) {
	if err := s.node.AcknowledgeAlarm(r.PathValue("uuid"), author(r.Context()).User); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// Alarms lists the alarms, those that stand first, the worst first.
func (c *Client) Alarms(ctx context.Context) ([]alarms.Alarm, error) {
	return ask[[]alarms.Alarm](ctx, c, "GET", "/v1/alarms")
}

// AcknowledgeAlarm says that somebody has seen an alarm.
func (c *Client) AcknowledgeAlarm(ctx context.Context, uuid string) error {
	_, err := ask[struct{}](ctx, c, "PUT", "/v1/alarms/"+url.PathEscape(uuid)+"/acknowledged")
	return err
}
