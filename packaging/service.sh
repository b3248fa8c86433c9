# The systemd units of the warm server and of reconcile; read by install.sh.
# In /usr/local/lib, because an administrator's own version of a unit, in /etc, goes before it.
units=${DESTDIR:-}/usr/local/lib/systemd/system
socket=cni-veth.socket
timer=cni-veth-reconcile.timer
own_units="cni-veth.service $socket cni-veth-reconcile.service $timer"

is_systemd_here() { [ -z "${DESTDIR:-}" ] && [ -d /run/systemd/system ]; }

has_units() { [ -n "${DESTDIR:-}" ] || is_systemd_here; }

# A server that runs becomes the new program by itself; it is restarted only for what its units say.
place_units() {
    if ! has_units; then
        say "no systemd here: start the warm server by $bin/cni-vethd, now and at each boot," \
            "and let $bin/cni-veth reconcile run every 30 s"
        return
    fi
    new=
    changed=
    for unit in $own_units; do
        ! cmp -s "$source/systemd/$unit" "$units/$unit" || continue
        if exists "$units/$unit"; then changed="$changed $unit "; else new="$new $unit "; fi
        cp "$source/systemd/$unit" "$units/.new-$unit"
        mv -f "$units/.new-$unit" "$units/$unit"
    done
    if is_systemd_here; then
        start_units
    else
        say "to start the warm server in that root, and reconcile: systemctl --root=$DESTDIR enable $socket $timer"
    fi
}

start_units() {
    [ -z "$new$changed" ] || systemctl daemon-reload
    start $socket cni-veth.service
    start $timer
    systemctl is-active --quiet $socket || say "$socket is off, so calls go without the warm server"
    systemctl is-active --quiet $timer || say "$timer is off, so nobody puts back rules that are flushed"
}

# The first unit, with others that are restarted with it. What an administrator has switched off stays so.
start() {
    case $new in *" $1 "*)
        systemctl enable --now "$1" || true
        return
        ;;
    esac
    for unit in "$@"; do
        case $changed in *" $unit "*)
            systemctl try-restart "$@"
            return
            ;;
        esac
    done
}

remove_units() {
    placed=
    for unit in $own_units; do
        ! exists "$units/$unit" || placed="$placed $unit"
    done
    [ -n "$placed" ] || return 0
    ! is_systemd_here || systemctl disable --now $placed || true
    for unit in $placed; do
        rm -f "$units/$unit"
    done
    ! is_systemd_here || systemctl daemon-reload
}
