FROM busybox
ONBUILD ARG who=me
ONBUILD COPY --chown=user a.txt /d/$who
ONBUILD COPY --from=busybox /etc/group /g
ONBUILD WORKDIR /w
ONBUILD RUN pwd > here
