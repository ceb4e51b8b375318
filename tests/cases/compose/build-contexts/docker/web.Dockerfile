FROM base
COPY --from=assets asset /asset
COPY main /main
