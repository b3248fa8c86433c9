# The warm server's systemd units; read by install.sh.
# In /usr/local/lib, because an administrator's own version of a unit, in /etc, goes before it.
units=${DESTDIR:-}/usr/local/lib/systemd/system

is_systemd_here() { [ -z "${DESTDIR:-}" ] && [ -d /run/systemd/system ]; }

has_units() { [ -n "${DESTDIR:-}" ] || is_systemd_here; }

# A server that runs becomes the new program by itself; it is restarted only for what its units say.
place_units() {
    if ! has_units; then
        say "no systemd here: start the warm server by $bin/cni-vethd, now and at each boot"
        return
    fi
    is_first=$(exists "$units/cni-veth.socket" || echo yes)
    is_changed=
    for unit in cni-veth.service cni-veth.socket; do
        ! cmp -s "$source/systemd/$unit" "$units/$unit" || continue
        cp "$source/systemd/$unit" "$units/.new-$unit"
        mv -f "$units/.new-$unit" "$units/$unit"
        is_changed=yes
    done
    if is_systemd_here; then
        start_units
    else
        say "to start the warm server in that root: systemctl --root=$DESTDIR enable cni-veth.socket"
    fi
}

# What an administrator has switched off stays so.
start_units() {
    [ -z "$is_changed" ] || systemctl daemon-reload
    if [ -n "$is_first" ]; then
        systemctl enable --now cni-veth.socket || true
    elif [ -n "$is_changed" ]; then
        systemctl try-restart cni-veth.socket cni-veth.service
    fi
    systemctl is-active --quiet cni-veth.socket ||
        say "cni-veth.socket is off, so calls go without the warm server"
}

remove_units() {
    exists "$units/cni-veth.socket" || exists "$units/cni-veth.service" || return 0
    if is_systemd_here; then
        systemctl disable --now cni-veth.socket cni-veth.service || true
    fi
    rm -f "$units/cni-veth.socket" "$units/cni-veth.service"
    ! is_systemd_here || systemctl daemon-reload
}
