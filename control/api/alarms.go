package api

import (
	"context"
	"net/url"

	"turnpike.dev/turnpike/control/alarms"
)

// Alarms lists what is wrong with a node, and takes note that somebody has seen it.
type Alarms interface {
	Alarms() []alarms.Alarm
	AcknowledgeAlarm(uuid, by string) error
}

// alarmID names an alarm.
type alarmID struct {
	UUID string `path:"uuid"`
}

func (s *Server) addAlarms() {
	tellAll(s, operation{id: "list-alarms", route: "GET /v1/alarms", role: RoleRead, area: "Alarms", text: "What is wrong, or was."}, s.node.Alarms)
	act(s, operation{id: "acknowledge-alarm", route: "PUT /v1/alarms/{uuid}/acknowledged", role: RoleOperate, area: "Alarms", text: "Says that somebody has seen an alarm."},
		func(ctx context.Context, in *alarmID) error {
			return s.node.AcknowledgeAlarm(in.UUID, author(ctx).User)
		})
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
