package main

import "context"

func (b *bench) scales(context.Context) {}
